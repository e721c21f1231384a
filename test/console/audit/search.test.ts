import { describe, expect, it } from 'vitest'
import type { AuditRow } from '../../../client/channel/audit-reading.js'
import {
  fits,
  NO_SEARCH,
  placeOf,
  searchIn,
  searchOf,
  type TypedSearch,
} from '../../../console/audit/search.js'
import { SLICE_ROWS, slicesBack } from '../../../console/session/newest-first.js'
import { stepBetween } from '../../../console/session/sequence.js'
import { type AuditLine, decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { parseRealm } from '../../../shared/principal.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'

const realm = parseRealm('demo.example')
const NOW = Date.parse('2026-05-01T12:00:00Z')

function line(n: number, at: number, fields: object = {}): AuditLine {
  const told = { n, at: new Date(at).toISOString(), kind: 'ticket', outcome: 'granted', ...fields }
  return decodeAuditLine(JSON.stringify(told))
}

function searchFor(typed: Partial<TypedSearch>) {
  const found = searchOf(realm, { ...NO_SEARCH, ...typed }, NOW)
  if ('mistakes' in found) throw new Error(JSON.stringify(found.mistakes))
  return found.search
}

describe('what is looked for', () => {
  it('stands in the address of the page and comes out of it as it was', () => {
    const search = { ...NO_SEARCH, client: 'web/*', outcome: 'denied', since: '7d' }
    expect(placeOf(search)).toEqual(['since', '7d', 'client', 'web/*', 'outcome', 'denied'])
    expect(searchIn(placeOf(search))).toEqual(search)
    expect(searchIn(['__proto__', 'x', 'client', 'web', 'outcome'])).toEqual({ ...NO_SEARCH, client: 'web' })
  })

  it('is asked of the KDC in the words of the command line', () => {
    expect(searchFor({ client: 'web', service: 'orders/*', outcome: 'denied' }).filter).toEqual({
      client: 'web@demo.example',
      service: 'orders/*@demo.example',
      outcome: 'denied',
      since: NOW - HOUR,
    })
    expect(searchFor({ since: 'all' }).filter.since).toBeNull()
    expect(searchFor({ since: '2026-04-30T12:00:00Z' }).filter.since).toBe(NOW - DAY)
  })

  it('is refused field by field where it cannot be meant', () => {
    const typed = { client: 'Web Shop', outcome: 'maybe', since: 'yesterday', ticket: 'xyz', until: '2h' }
    expect(searchOf(realm, { ...NO_SEARCH, ...typed }, NOW)).toEqual({
      mistakes: {
        client: 'write web, web/1, web/* or *',
        outcome: 'choose one of the list',
        since: 'write how long ago, as 15m or 7d, or a time, as 2027-01-31T12:00:00Z, or all',
        ticket: 'write its hexadecimal digits',
      },
    })
    expect(searchOf(realm, { ...NO_SEARCH, until: '2h' }, NOW)).toEqual({
      mistakes: { until: 'write a time behind the first one' },
    })
  })

  it.each<[Partial<TypedSearch>, object, boolean]>([
    [{ client: 'web' }, { client: 'web@demo.example' }, true],
    [{ client: 'web' }, { client: 'ana@demo.example', via: 'web@demo.example' }, true],
    [{ client: 'web' }, { client: 'web/1@demo.example' }, false],
    [{ client: 'web/*' }, { client: 'web/1@demo.example' }, true],
    [{ client: '*' }, {}, false],
    [{ service: 'orders' }, { service: 'orders@demo.example' }, true],
    [{ service: 'orders' }, { on: ['web@demo.example', 'orders@demo.example'] }, true],
    [{ outcome: 'denied' }, {}, false],
    [{ kind: 'ticket' }, {}, true],
    [{ kind: 'channel' }, {}, false],
    [{ method: 'allow' }, { method: 'allow' }, true],
    [{ method: 'allow' }, { method: 'deny' }, false],
    [{ from: '10.0.' }, { from: '10.0.0.7' }, true],
    [{ from: '10.0.' }, {}, false],
    [{ ticket: 'AB' }, { ticket: 'abcd' }, true],
    [{ ticket: 'ab' }, { tgt: 'abcd' }, true],
    [{ ticket: 'ab' }, { ticket: 'cdab' }, false],
    [{ id: '3f' }, { id: '3f0011223344' }, true],
    [{ since: '5m' }, {}, false],
    [{ until: '9m' }, {}, true],
    [{ until: '11m' }, {}, false],
  ])('%j of %j: %j', (typed, fields, expected) => {
    expect(fits(searchFor(typed), line(1, NOW - 10 * MINUTE, fields))).toBe(expected)
  })
})

describe('the newest lines first', () => {
  /** A log with a line at each of the times, read as a KDC reads it. */
  function logOf(times: readonly number[]) {
    const rows = times.map((at, i): AuditRow => ({ line: line(i + 1, at), text: `${i + 1}` }))
    const reads: (number | null)[] = []
    async function* read(since: number | null): AsyncGenerator<AuditRow> {
      reads.push(since)
      yield* rows.filter(row => since === null || Date.parse(row.line.at) >= since)
    }
    return { read, reads }
  }

  async function numbers(slices: ReturnType<typeof slicesBack>): Promise<number[]> {
    const found: number[] = []
    for await (const { rows } of slices) found.push(...rows.map(row => row.line.n))
    return found
  }

  const evenly = (count: number, step: number) =>
    Array.from({ length: count }, (_, i) => NOW - (count - i) * step)

  it('reads all there is, each line once, in longer and longer slices', async () => {
    const { read, reads } = logOf(evenly(300, HOUR))
    const found = await numbers(slicesBack({ read, since: null, until: NOW }))
    expect(found).toEqual(Array.from({ length: 300 }, (_, i) => 300 - i))
    expect(reads.length).toBeLessThan(12)
  })

  it('stays within its time', async () => {
    const { read } = logOf(evenly(100, MINUTE))
    const slices = slicesBack({ read, since: NOW - 50 * MINUTE, until: NOW - 10 * MINUTE })
    expect(await numbers(slices)).toEqual(Array.from({ length: 40 }, (_, i) => 90 - i))
  })

  it('takes a full log in slices that are small enough', async () => {
    const { read } = logOf(evenly(3 * SLICE_ROWS, 2))
    let most = 0
    let count = 0
    for await (const { rows } of slicesBack({ read, since: NOW - MINUTE, until: NOW })) {
      most = Math.max(most, rows.length)
      count += rows.length
    }
    expect(count).toBe(3 * SLICE_ROWS)
    expect(most).toBeLessThanOrEqual(SLICE_ROWS + 1)
  })

  it('does not read a line twice where the clock was set back', async () => {
    const { read } = logOf([...evenly(50, MINUTE), ...evenly(50, MINUTE)])
    const found = await numbers(slicesBack({ read, since: NOW - HOUR, until: NOW }))
    expect(new Set(found).size).toBe(found.length)
  })

  it('ends when it is told to', async () => {
    const { read } = logOf(evenly(300, HOUR))
    let found = 0
    const slices = slicesBack({ read, since: null, until: NOW, isOver: () => found >= 10 })
    for await (const { rows } of slices) found += rows.length
    expect(found).toBeLessThan(300)
  })
})

describe('the numbers of lines', () => {
  it.each([
    [undefined, line(7, NOW), 'next'],
    [line(6, NOW), line(7, NOW), 'next'],
    [line(6, NOW), line(9, NOW + 1), 'hole'],
    [line(6, NOW), line(6, NOW), 'repeated'],
    [line(6, NOW), line(3, NOW - 1), 'repeated'],
    [line(6, NOW), line(1, NOW + 5), 'other log'],
  ])('tell what was not seen', (last, next, kind) => {
    expect(stepBetween(last, next).kind).toBe(kind)
  })

  it('count the lines of a hole', () => {
    expect(stepBetween(line(6, NOW), line(9, NOW + 5))).toEqual({
      kind: 'hole',
      hole: { after: line(6, NOW), before: line(9, NOW + 5), count: 2 },
    })
  })
})
