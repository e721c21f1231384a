import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { LongTermKey, revealKey, SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { seal } from '../../../shared/crypto/seal.js'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import type { Principal } from '../../../shared/principal.js'
import { compareNames } from '../../../shared/ticket/claim-names.js'
import { type Claims, decodeClaims, encodeClaims } from '../../../shared/ticket/claims.js'
import { decodeInnerTicket, decodeTicket, openTicket, sealTicket } from '../../../shared/ticket/ticket.js'
import { requireValid } from '../../../shared/ticket/validity.js'
import { fixedRandom, fromJson, hex, type Json, vectors } from '../../vectors.js'

const tickets = vectors<{
  good: {
    service: Principal
    kvno: number
    serviceKey: string
    nonce: string
    fields: Json[]
    bytes: string
  }[]
  invalid: { why: string; serviceKey: string; bytes: string; code: string }[]
}>('tickets')

function contentOf(fields: Value[]) {
  const [ticketId, client, clientId, key, authTime, startTime, endTime, renewTill, flags, claims, caveats] =
    fields
  return {
    ticketId: ticketId as Uint8Array,
    client: client as Principal,
    clientId: clientId as Uint8Array,
    key: new SessionKey(key as Uint8Array),
    authTime: authTime as number,
    startTime: startTime as number,
    endTime: endTime as number,
    renewTill: renewTill as number | null,
    flags: flags as number,
    claims: decodeClaims(claims as Value),
    caveats: caveats as Uint8Array[],
  }
}

describe('ticket vectors', () => {
  it.each(tickets.good.map(v => [v.service, v] as const))('of %s', (_, vector) => {
    const { service, kvno, serviceKey, nonce, fields, bytes } = vector
    const content = contentOf(fromJson(fields) as Value[])
    const key = new LongTermKey(hex(serviceKey))
    expect(toHex(sealTicket(service, kvno, key, content, fixedRandom(hex(nonce))).bytes)).toBe(bytes)
    const opened = openTicket(decodeTicket(hex(bytes)), key)
    expect(opened).toEqual({ ...content, service, kvno, opened: true })
  })

  it.each(tickets.invalid.map(v => [v.why, v] as const))('refuses: %s', (_, { serviceKey, bytes, code }) => {
    expect(() => openTicket(decodeTicket(hex(bytes)), new LongTermKey(hex(serviceKey)))).toThrow(
      expect.objectContaining({ code }),
    )
  })
})

describe('tickets', () => {
  it('do not open when any byte was changed, cut, doubled or appended', () => {
    const key = new LongTermKey(hex(tickets.good[0]?.serviceKey ?? ''))
    const bytes = hex(tickets.good[0]?.bytes ?? '')
    const edits = fc.record({
      at: fc.nat(bytes.length - 1),
      bits: fc.integer({ min: 1, max: 255 }),
      how: fc.nat(3),
    })
    fc.assert(
      fc.property(edits, ({ at, bits, how }) => {
        const byte = (bytes[at] as number) ^ bits
        const altered = [
          () => Uint8Array.from(bytes, (old, i) => (i === at ? byte : old)),
          () => bytes.subarray(0, at),
          () => Uint8Array.from([...bytes.subarray(0, at + 1), ...bytes.subarray(at)]),
          () => Uint8Array.from([...bytes, byte]),
        ][how]?.()
        expect(() => openTicket(decodeTicket(altered as Uint8Array), key)).toThrow(
          expect.objectContaining({
            code: expect.stringMatching(/^(malformed|ticket_invalid|unsupported_version)$/),
          }),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('carry times up to 2^53-1', () => {
    const key = new LongTermKey(new Uint8Array(32).fill(7))
    const content = { ...contentOf(fromJson(tickets.good[0]?.fields ?? []) as Value[]), endTime: 2 ** 53 - 1 }
    const sealed = sealTicket('orders@demo.example' as Principal, 1, key, content, systemRandom)
    expect(openTicket(sealed, key).endTime).toBe(2 ** 53 - 1)
  })

  it('have all that was sealed into them', () => {
    const key = new LongTermKey(new Uint8Array(32).fill(7))
    const content = {
      ...contentOf(fromJson(tickets.good[0]?.fields ?? []) as Value[]),
      renewTill: 5,
      flags: 3,
      caveats: [Uint8Array.of(1), Uint8Array.of(2, 3)],
    }
    const service = 'orders@demo.example' as Principal
    const opened = openTicket(sealTicket(service, 1, key, content, systemRandom), key)
    expect(opened).toEqual({ ...content, service, kvno: 1, opened: true })
    expect(revealKey(opened.key)).toEqual(revealKey(content.key))
  })

  it.each<[string, number, Value]>([
    ['an id of 15 bytes', 0, new Uint8Array(15)],
    ['a client outside the grammar', 1, 'web'],
    ['a clientId of 9 bytes', 2, new Uint8Array(9)],
    ['a key of 31 bytes', 3, new Uint8Array(31)],
    ['no authTime', 4, null],
    ['no startTime', 5, null],
    ['no endTime', 6, null],
    ['a renewTill that is a text', 7, '1'],
    ['an undefined flag', 8, 4],
    ['claims that are none', 9, null],
    ['17 caveats', 10, Array<Value>(17).fill(new Uint8Array())],
    ['a field more', 11, null],
  ])('sealed with %s are invalid', (_, at, value) => {
    const key = new LongTermKey(new Uint8Array(32).fill(7))
    const fields = fromJson(tickets.good[0]?.fields ?? []) as Value[]
    fields[at] = value
    const service = 'orders@demo.example' as Principal
    const aad = Uint8Array.of(1, 7, ...encode([service, 1]))
    const box = seal(key, 'ticket', aad, encode(fields), systemRandom)
    const ticket = { service, kvno: 1, box, bytes: box }
    expect(() => openTicket(ticket, key)).toThrow(
      expect.objectContaining({ code: 'ticket_invalid', facts: { service, kvno: 1 } }),
    )
  })

  it('keep only their fields of the plaintext', () => {
    const key = new LongTermKey(hex(tickets.good[0]?.serviceKey ?? ''))
    const opened = openTicket(decodeTicket(hex(tickets.good[0]?.bytes ?? '')), key)
    expect(revealKey(opened.key).buffer.byteLength).toBe(32)
  })

  it('do not give the key to somebody who is given a caveat', () => {
    const key = new LongTermKey(new Uint8Array(32).fill(7))
    const content = contentOf(fromJson(tickets.good[0]?.fields ?? []) as Value[])
    const caveats = [Uint8Array.of(1, 2, 3)]
    const sealed = sealTicket(
      'orders@demo.example' as Principal,
      1,
      key,
      { ...content, caveats },
      systemRandom,
    )
    const opened = openTicket(sealed, key)
    expect(revealKey(opened.key)).toEqual(revealKey(content.key))
    for (const { buffer } of [...opened.caveats, opened.ticketId]) {
      expect(Buffer.from(buffer as ArrayBuffer).includes(Buffer.from(revealKey(content.key)))).toBe(false)
    }
  })

  it('of each service and kvno are sealed for it, one after the other', () => {
    const key = new LongTermKey(new Uint8Array(32).fill(7))
    const content = contentOf(fromJson(tickets.good[0]?.fields ?? []) as Value[])
    const [orders, billing] = ['orders@demo.example', 'billing@demo.example'] as [Principal, Principal]
    for (const [service, kvno] of [
      [orders, 1],
      [billing, 1],
      [orders, 2],
      [orders, 1],
    ] as const) {
      const sealed = sealTicket(service, kvno, key, content, systemRandom)
      expect(openTicket(decodeTicket(sealed.bytes), key)).toMatchObject({ service, kvno })
      for (const renamed of [
        { ...sealed, service: service === orders ? billing : orders },
        { ...sealed, kvno: kvno + 1 },
      ]) {
        const { service: said, kvno: numbered } = renamed
        expect(() => openTicket(renamed, key)).toThrow(
          expect.objectContaining({ code: 'ticket_invalid', facts: { service: said, kvno: numbered } }),
        )
      }
    }
  })

  it('within another message are malformed, whatever is wrong with them', () => {
    const bytes = hex(tickets.good[0]?.bytes ?? '')
    const malformed = expect.objectContaining({ code: 'malformed', final: true })
    expect(() => decodeInnerTicket(Uint8Array.of(2, ...bytes.subarray(1)))).toThrow(malformed)
    expect(() => decodeInnerTicket(bytes.subarray(0, 9))).toThrow(malformed)
    expect(() => decodeInnerTicket(undefined as unknown as Uint8Array)).toThrow(TypeError)
    expect(decodeInnerTicket(bytes)).toEqual(decodeTicket(bytes))
  })

  it('order claims by their UTF-8 bytes, not as JavaScript does', () => {
    expect(compareNames('\u{1f600}', '\uffee')).toBeGreaterThan(0)
    expect('\u{1f600}' < '\uffee').toBe(true)
    expect(compareNames('a', 'ab')).toBeLessThan(0)
    expect(compareNames('a', 'a')).toBe(0)
  })
})

describe('the times of a ticket', () => {
  const [startTime, endTime] = [1_800_000_000_000, 1_800_003_600_000]
  const opened = (times: { startTime: number; endTime: number }) => {
    const key = new LongTermKey(hex(tickets.good[0]?.serviceKey ?? ''))
    return { ...openTicket(decodeTicket(hex(tickets.good[0]?.bytes ?? '')), key), ...times }
  }
  const early = 'ticket_not_yet_valid'

  it.each([
    [startTime - 60_001, early],
    [startTime - 60_000, 'valid'],
    [startTime - 59_999, 'valid'],
    [endTime - 1, 'valid'],
    [endTime, 'ticket_expired'],
    [endTime + 1, 'ticket_expired'],
  ])('at %i: %s', (now, expected) => {
    const ticket = opened({ startTime, endTime })
    const check = () => requireValid(ticket, now)
    if (expected === 'valid') return expect(check).not.toThrow()
    const facts = { principal: ticket.client, service: ticket.service, actual: now }
    const bound = expected === early ? startTime : endTime
    expect(check).toThrow(
      expect.objectContaining({ code: expected, final: true, facts: { ...facts, expected: bound } }),
    )
  })

  it('up to 2^53-1 are compared exactly', () => {
    const last = opened({ startTime: 2 ** 53 - 2, endTime: 2 ** 53 - 1 })
    expect(() => requireValid(last, 2 ** 53 - 60_002)).not.toThrow()
    expect(() => requireValid(last, 2 ** 53 - 60_003)).toThrow(expect.objectContaining({ code: early }))
    expect(() => requireValid(last, 2 ** 53 - 2)).not.toThrow()
    expect(() => requireValid(last, 2 ** 53 - 1)).toThrow(expect.objectContaining({ code: 'ticket_expired' }))
  })
})

describe('claims', () => {
  const named = (count: number): Value[] =>
    Array.from({ length: count }, (_, i) => [`c${String(i).padStart(2, '0')}`, i])
  /** One claim whose list takes this many bytes. */
  const taking = (bytes: number): Value[] => [['a', 'x'.repeat(bytes - 7)]]

  it('of every kind are read as they were written, in lists of their own', () => {
    const list = ['orders:read', 'orders:list']
    const claims: Claims = [
      ['', ''],
      ['a', 'text'],
      ['ab', 0],
      ['b', false],
      ['c', list],
      ['d', []],
      ['\uffee', 1],
      ['\u{1f600}', true],
    ]
    expect(decodeClaims(encodeClaims(claims))).toEqual(claims)
    expect((encodeClaims(claims)[4] as Value[])[1]).not.toBe(list)
    expect(decodeClaims([])).toEqual([])
  })

  it.each<[string, Value]>([
    ['32', named(32)],
    ['of 2 KiB', taking(2048)],
  ])('may be %s', (_, value) => {
    expect(decodeClaims(value)).toEqual(value)
  })

  it.each<[string, Value | undefined]>([
    ['missing', undefined],
    ['nil', null],
    ['33', named(33)],
    ['of 2 KiB and a byte', taking(2049)],
    ['without a value', [['a']]],
    ['with a value more', [['a', 1, 2]]],
    ['named by a number', [[1, 1]]],
    ['nil in a claim', [['a', null]]],
    ['bytes', [['a', new Uint8Array(1)]]],
    ['a list of numbers', [['a', [1]]]],
    ['a list of lists', [['a', [[]]]]],
    ['the same twice', [...named(1), ...named(1)]],
    ['in another order', [...named(2)].reverse()],
    ['out of order at the end', [...named(2), ...named(2).reverse()]],
    [
      'ordered as JavaScript orders them',
      [
        ['\u{1f600}', 1],
        ['\uffee', 1],
      ],
    ],
  ])('may not be %s', (_, value) => {
    expect(() => decodeClaims(value)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })
})
