import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuditKey, FIRST_LINK, follows, openLink } from '../../../../kdc/report/audit/chain.js'
import { ChainedLines } from '../../../../kdc/report/audit/chained-lines.js'
import { lineText } from '../../../../kdc/report/audit/line-text.js'
import { timeText } from '../../../../kdc/report/audit/time-text.js'
import {
  AUDIT_LINE_BYTES,
  type AuditFields,
  decodeAuditLine,
} from '../../../../shared/administration/audit-line.js'
import { formatTime } from '../../../../shared/time.js'
import { KEY } from './audit-log.js'

/** What a line is made of, and how lines are chained, byte by byte. */

const text = fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('web@demo.example')), {
  nil: undefined,
})

const fields: fc.Arbitrary<AuditFields> = fc.record({
  kind: fc.constant('request' as const),
  outcome: fc.constant('refused' as const),
  client: text,
  via: text,
  from: text,
  service: text,
  method: text,
  on: fc.option(fc.array(fc.string({ unit: 'binary' })), { nil: undefined }),
  rule: text,
  reason: text,
  count: fc.option(fc.nat(), { nil: undefined }),
  details: fc.option(fc.object(), { nil: undefined }),
})

describe('the text of a line', () => {
  it('is the JSON of its fields, whatever is in them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1 }), fc.integer({ min: 0, max: 8.64e15 }), fields, (n, at, fields) => {
        const line = JSON.parse(`${lineText(n, { at, fields })}}`)
        expect(line).toEqual(JSON.parse(JSON.stringify({ n, at: formatTime(at), ...fields })))
      }),
    )
  })

  it('has every field that there is, in one order', () => {
    const all = {
      kind: 'ticket',
      outcome: 'granted',
      exchange: 'TGS',
      client: 'web@demo.example',
      via: 'gate@demo.example',
      from: '192.0.2.1',
      service: 'orders@demo.example',
      method: 'why',
      on: ['a', 'b"'],
      rule: 'allow a b',
      code: 'policy_denied',
      id: '00ff',
      reason: 'a "reason"\n',
      ticket: '01',
      tgt: '02',
      ends: '2027-01-15T08:00:00.000Z',
      count: 3,
      details: { addresses: ['ü'] },
    } as const satisfies Required<AuditFields>
    const at = Date.UTC(2027, 0, 15, 8)
    expect(`${lineText(7, { at, fields: all })}}`).toBe(
      JSON.stringify({ n: 7, at: '2027-01-15T08:00:00.000Z', ...all }),
    )
  })
})

describe('the time of a line', () => {
  it('reads as every other time', () => {
    const edge = Date.UTC(10_000, 0, 1)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: -1, max: 4e12 }),
          fc.integer({ min: edge - 2, max: edge + 2 }),
          fc.double({ noNaN: true }),
          fc.maxSafeInteger(),
        ),
        time => {
          expect(timeText(time)).toBe(formatTime(time))
        },
      ),
    )
  })
})

describe('lines that are made together', () => {
  it('are chained to each other and to the one before, over batches, whatever their length', () => {
    const key = new AuditKey(KEY.slice())
    const lines = new ChainedLines(key, '0123456789abcdef')
    const entryOf = (length: number) => ({
      at: 1,
      fields: { kind: 'log', outcome: 'noted', reason: 'ü'.repeat(length) } as const,
    })
    const first = lines.make({ n: 0, mac: FIRST_LINK }, [0, 5, 300].map(entryOf), false)
    const some = first.bytes.toString()
    const long = Array.from({ length: 40 }, (_, i) => entryOf(i * 180))
    const second = lines.make(first.last, long, true)
    const [cut, ...rest] = second.bytes.toString().split('\n')
    expect(cut).toBe('')
    const all = [...some.trimEnd().split('\n'), ...rest.slice(0, -1)]
    expect(all.length).toBe(43)
    let mac: Uint8Array = FIRST_LINK
    for (const [i, line] of all.entries()) {
      expect(decodeAuditLine(line)).toMatchObject({ n: i + 1, replica: '0123456789abcdef' })
      const bytes = Buffer.from(line)
      expect(bytes.length).toBeLessThan(AUDIT_LINE_BYTES)
      const link = openLink(bytes)
      if (link === undefined) throw new Error('no line of a log')
      expect(follows(key, mac, link)).toBe(true)
      mac = link.mac
    }
    expect(second.last).toEqual({ n: 43, mac })
  })
})
