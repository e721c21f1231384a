import { describe, expect, it } from 'vitest'
import { revealKey } from '../../../shared/crypto/keys.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { decodeGrant, encodeGrant } from '../../../shared/ticket/grant.js'

import { grantFor, NOW } from './grant-for.js'

/** A grant: what each of its fields must be. */

const ORDERS = parsePrincipal('orders@demo.example')
const malformed = expect.objectContaining({ code: 'malformed' })

describe('a grant', () => {
  const fieldsOf = (): Value[] => encodeGrant(grantFor(ORDERS, { renewTill: NOW + 90_000 }))

  it('is read as it was written, and keeps only its key of the reply', () => {
    const fields = fieldsOf()
    const grant = decodeGrant(decode(encode(fields)))
    expect(encodeGrant(grant)).toEqual(fields)
    expect(revealKey(grant.key).buffer.byteLength).toBe(32)
  })

  it.each<[string, number, Value | undefined]>([
    ['a ticket over 4 KiB', 0, new Uint8Array(4097)],
    ['a service outside the grammar', 1, 'orders'],
    ['a key of 31 bytes', 2, new Uint8Array(31)],
    ['an id of 15 bytes', 3, new Uint8Array(15)],
    ['an authTime that is nil', 4, null],
    ['a startTime that is nil', 5, null],
    ['an endTime that is nil', 6, null],
    ['a renewTill that is a text', 7, '1'],
    ['an undefined flag', 8, 4],
    ['claims that are nil', 9, null],
    ['a field more', 10, 1],
  ])('does not have %s', (_, at, value) => {
    const fields = fieldsOf()
    const altered = [...fields]
    altered[at] = value as Value
    expect(() => decodeGrant(altered)).toThrow(malformed)
    expect(() => decodeGrant(fields.slice(0, 9))).toThrow(malformed)
  })
})
