import { describe, expect, it } from 'vitest'
import { AuditModel } from '../../../console/audit/audit-model.js'
import { jsonText } from '../../../console/audit/json-text.js'
import { fileNameOf, lookOf, missingBetween, restOf, whoOf } from '../../../console/audit/line-words.js'
import { NO_SEARCH, searchOf, type TypedSearch } from '../../../console/audit/search.js'
import { decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { OrthrusError } from '../../../shared/errors.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { KeptLog } from '../harness/log.js'
import { harnessSession, REALM } from '../harness/session.js'

const NOW = Date.parse('2026-05-01T12:00:00Z')

function searchFor(typed: Partial<TypedSearch> = {}) {
  const found = searchOf(REALM, { ...NO_SEARCH, ...typed }, NOW)
  if ('mistakes' in found) throw new Error(JSON.stringify(found.mistakes))
  return found.search
}

const ticket = (client: string, id?: string) => ({
  kind: 'ticket' as const,
  outcome: id === undefined ? ('granted' as const) : ('denied' as const),
  client: `${client}@demo.example`,
  service: 'orders@demo.example',
  id,
})

/** A log of 1,000 lines, one every three seconds, and a model of it. */
function started(administration: object = {}) {
  const log = new KeptLog()
  for (let i = 0; i < 1_000; i++)
    log.write(NOW - (1_000 - i) * 3 * SECOND, ticket(`c${i % 4}`, i === 500 ? '3f0011223344' : undefined))
  const session = harnessSession({ log, now: () => NOW, administration })
  return { log, model: new AuditModel(session) }
}

const numbers = ({ rows }: AuditModel) => rows.value.map(({ line }) => line.n)

describe('the search of the audit log', () => {
  it('finds the newest first, and goes further back when it is asked to', async () => {
    const { model } = started()
    await model.start(searchFor(), 'newest')
    expect(model.progress.value.kind).toBe('paused')
    const first = numbers(model)
    expect(first[0]).toBe(1_000)
    expect(first.length).toBeLessThan(1_000)
    await model.more()
    await model.more()
    await model.more()
    expect(numbers(model)).toEqual(Array.from({ length: 1_000 }, (_, i) => 1_000 - i))
    expect(model.progress.value.kind).toBe('done')
    expect(model.since.value).toBe(NOW - HOUR)
  })

  it('finds the oldest first', async () => {
    const { model } = started()
    await model.start(searchFor({ since: '10m', client: 'c1' }), 'oldest')
    expect(numbers(model)).toEqual(Array.from({ length: 50 }, (_, i) => 802 + 4 * i))
    expect(model.progress.value.kind).toBe('done')
  })

  it('looks itself for what the KDC does not look for', async () => {
    const { model } = started()
    await model.start(searchFor({ since: 'all', kind: 'channel' }), 'newest')
    expect(numbers(model)).toEqual([])
    await model.start(searchFor({ until: '49m' }), 'newest')
    expect(numbers(model)).toEqual(Array.from({ length: 20 }, (_, i) => 20 - i))
  })

  it('finds a refusal by its id in its own time, and asks the KDC when that was', async () => {
    const at = NOW - 500 * 3 * SECOND
    const { model } = started({ refusals: async () => ({ refusals: [{ at }], since: null }) })
    await model.start(searchFor({ since: '1m', id: '3f0011223344' }), 'newest')
    expect(numbers(model)).toEqual([501])
  })

  it('counts new lines, and shows them when it is asked to', async () => {
    const { log, model } = started()
    await model.start(searchFor({ client: 'c1' }), 'newest')
    const before = numbers(model)
    log.write(NOW + SECOND, ticket('c1'))
    log.write(NOW + SECOND, ticket('c2'))
    log.write(NOW + 2 * SECOND, ticket('c1'))
    expect(model.fresh.value).toBe(2)
    expect(numbers(model)).toEqual(before)
    model.takeFresh()
    expect(numbers(model)).toEqual([1_003, 1_001, ...before])
    expect(model.fresh.value).toBe(0)
  })

  it('puts new lines behind the old ones where the oldest are first', async () => {
    const { log, model } = started()
    await model.start(searchFor({ since: '1m' }), 'oldest')
    log.write(NOW + SECOND, ticket('c1'))
    model.takeFresh()
    expect(numbers(model).at(-1)).toBe(1_001)
  })

  it('has no new lines of a time that is over', async () => {
    const { log, model } = started()
    await model.start(searchFor({ until: '5m' }), 'newest')
    log.write(NOW + SECOND, ticket('c1'))
    expect(model.fresh.value).toBe(0)
  })

  it('gives an earlier search up', async () => {
    const { model } = started()
    const first = model.start(searchFor({ since: 'all' }), 'newest')
    await model.start(searchFor({ since: '1m', client: 'c1' }), 'newest')
    await first
    expect(numbers(model)).toEqual([998, 994, 990, 986, 982])
  })

  it('says why it failed', async () => {
    const log = new KeptLog()
    const session = harnessSession({ log, now: () => NOW })
    const off = new OrthrusError('unavailable', 'this KDC keeps no audit log', { hint: 'start it without' })
    log.lines = () => {
      throw off
    }
    const model = new AuditModel(session)
    await model.start(searchFor(), 'newest')
    expect(model.progress.value).toEqual({
      kind: 'failed',
      failure: { message: 'This KDC keeps no audit log.', hint: 'start it without' },
    })
  })

  it('holds no more lines than it says', async () => {
    const log = new KeptLog()
    for (let i = 0; i < 21_000; i++) log.write(NOW - MINUTE + i, ticket('c'))
    const model = new AuditModel(harnessSession({ log, now: () => NOW }))
    await model.start(searchFor({ since: '24h' }), 'oldest')
    while (model.progress.value.kind === 'paused') await model.more()
    expect(model.progress.value.kind).toBe('full')
    expect(model.rows.value).toHaveLength(20_000)
  })
})

describe('a line in words', () => {
  const line = (fields: object) =>
    decodeAuditLine(
      JSON.stringify({ n: 1, at: '2026-05-01T12:00:00Z', kind: 'ticket', outcome: 'granted', ...fields }),
    )

  it('says who, and what besides', () => {
    expect(whoOf(line({ client: 'web@r' }))).toBe('web@r')
    expect(whoOf(line({ kind: 'request', outcome: 'refused' }))).toBe('nobody proved')
    expect(whoOf(line({ kind: 'administration' }))).toBe('the KDC itself')
    const omitted = line({ kind: 'log', outcome: 'noted', client: 'web@r', count: 7, reason: 'left out' })
    expect(whoOf(omitted)).toBe('the audit log')
    expect(restOf(omitted)).toBe('about web@r · left out · 7 of them')
    const act = { kind: 'administration', outcome: 'changed', method: 'allow', on: ['a@r', 'b@r'] }
    expect(restOf(line(act))).toBe('allow a@r b@r')
  })

  it('is red only where something went wrong', () => {
    expect((['denied', 'uncertain', 'granted'] as const).map(lookOf)).toEqual(['bad', 'warn', 'plain'])
  })

  it('tells lines that are missing between two', () => {
    const row = (n: number) => ({ line: { ...line({}), n }, text: '' })
    expect(missingBetween(row(9), row(8))).toBe(0)
    expect(missingBetween(row(9), row(5))).toBe(3)
    expect(missingBetween(undefined, row(5))).toBe(0)
  })

  it('shows no character that would turn the text round', () => {
    expect(jsonText('{"a":"\u202e"}')).toBe('{\n "a": "\uFFFD"\n}')
    expect(jsonText('["admin\u3164\u2800\u034f"]')).toBe('[\n "admin\uFFFD\uFFFD\uFFFD"\n]')
    expect(jsonText('no \u0007 JSON')).toBe('no \uFFFD JSON')
    expect(fileNameOf(NOW)).toBe('audit-2026-05-01T12-00-00.jsonl')
  })
})
