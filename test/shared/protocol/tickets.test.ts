import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { LongTermKey, SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Principal } from '../../../shared/principal.js'
import type { Value } from '../../../shared/protocol/encoding.js'
import {
  compareNames,
  decodeClaims,
  decodeTicket,
  openTicket,
  sealTicket,
} from '../../../shared/protocol/ticket.js'
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

  it('order claims by their UTF-8 bytes, not as JavaScript does', () => {
    expect(compareNames('\u{1f600}', '\uffee')).toBeGreaterThan(0)
    expect('\u{1f600}' < '\uffee').toBe(true)
    expect(compareNames('a', 'ab')).toBeLessThan(0)
    expect(compareNames('a', 'a')).toBe(0)
  })
})
