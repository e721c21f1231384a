import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { AuthKey, LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { createMacMessage } from '../../../shared/encoding/message.js'
import {
  type ApQuestion,
  createApAccept,
  createApReply,
  createApRequest,
  decodeApRequest,
  openApAccept,
  openApReply,
  replayIdOf,
  verifyApRequest,
} from '../../../shared/exchange/ap.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { sealTicket } from '../../../shared/ticket/ticket.js'
import { ticketContent } from '../../support/ticket-content.js'

/** AP-REQ and its answers, field by field. */

const WEB = parsePrincipal('web@demo.example')
const ORDERS = parsePrincipal('orders@demo.example')
const key = (): AuthKey => new AuthKey(new Uint8Array(32).fill(3))
const other = (): AuthKey => new AuthKey(new Uint8Array(32).fill(4))
const malformed = expect.objectContaining({ code: 'malformed' })

function ticket() {
  return sealTicket(ORDERS, 1, new LongTermKey(systemRandom(32)), ticketContent(1, 2), systemRandom)
}

const nonce = new Uint8Array(16).fill(6)
const binding = new Uint8Array(32).fill(7)

const question = (): ApQuestion => ({
  ticket: ticket(),
  caveats: [Uint8Array.of(1), Uint8Array.of(2, 3)],
  time: 5,
  nonce,
  binding,
  delegated: null,
})
const delegation = (): ApQuestion => ({
  ...question(),
  delegated: { ticket: ticket(), caveats: [Uint8Array.of(8)], client: WEB },
})

describe.each([
  ['AP-REQ', TYPE.AP_REQ, TYPE.AP_OPEN],
  ['AP-OPEN', TYPE.AP_OPEN, TYPE.AP_REQ],
] as const)('%s', (_, type, notThis) => {
  it.each([
    ['by a client', question],
    ['by a delegate', delegation],
  ])('%s is read as it was made', (_, ask) => {
    const asked = ask()
    const request = createApRequest(type, key(), asked)
    expect(decodeApRequest(type, request.bytes)).toEqual(request)
    expect(request).toMatchObject(asked)
    expect(concatBytes(request.covered, request.mac)).toEqual(request.bytes)
    expect(request.mac.length).toBe(32)
    expect(replayIdOf(request)).toEqual(request.mac.subarray(0, 16))
    expect(verifyApRequest(request, key(), WEB)).toBe(request)
    expect(() => verifyApRequest(request, other(), WEB)).toThrow(
      expect.objectContaining({ code: 'auth_failed', facts: { principal: WEB } }),
    )
    expect(() => decodeApRequest(notThis, request.bytes)).toThrow(malformed)
  })

  const instead = (list: Value[], at: number, value: Value): Value[] =>
    list.map((field, i) => (i === at ? value : field))
  const body = (at = 0, value: Value = ticket().bytes): Value[] =>
    instead([ticket().bytes, [], 5, nonce, binding, null], at, value)
  const passedOn = (at = 0, value: Value = ticket().bytes): Value[] =>
    instead([ticket().bytes, [], WEB], at, value)

  it('is made of these fields', () => {
    const { bytes } = createMacMessage(key(), 'ap-req', type, body(5, passedOn()))
    expect(decodeApRequest(type, bytes)).toMatchObject({
      time: 5,
      nonce,
      binding,
      delegated: { client: WEB },
    })
  })

  it.each<[string, () => Value[]]>([
    ['no ticket', () => body(0, null)],
    ['a ticket of wrong form', () => body(0, new Uint8Array(9))],
    ['a ticket over 4 KiB', () => body(0, new Uint8Array(4097))],
    ['17 caveats', () => body(1, Array<Value>(17).fill(new Uint8Array()))],
    ['no time', () => body(2, null)],
    ['a nonce of 15 bytes', () => body(3, new Uint8Array(15))],
    ['a binding of 31 bytes', () => body(4, new Uint8Array(31))],
    ['a binding of 33 bytes', () => body(4, new Uint8Array(33))],
    ['something delegated that is no list', () => body(5, false)],
    ['a field less', () => body().slice(0, 5)],
    ['a field more', () => [...body(), null]],
    ['a delegated ticket of wrong form', () => body(5, passedOn(0, new Uint8Array(9)))],
    ['delegated caveats that are no list', () => body(5, passedOn(1, null))],
    ['a client outside the grammar', () => body(5, passedOn(2, 'web'))],
    ['a delegated field less', () => body(5, passedOn().slice(0, 2))],
    ['a delegated field more', () => body(5, [...passedOn(), null])],
  ])('does not have %s', (_, altered) => {
    const { bytes } = createMacMessage(key(), 'ap-req', type, altered())
    expect(() => decodeApRequest(type, bytes)).toThrow(malformed)
  })
})

describe('the answer to a request', () => {
  const mac = systemRandom(32)
  const unproved = expect.objectContaining({ code: 'response_unproved' })
  const reply = () => createApReply(key(), mac, { time: 5, binding })
  const accept = () => createApAccept(key(), mac, { time: 5, nonce })

  it('proves its time and what it covers', () => {
    expect(openApReply(key(), mac, reply())).toEqual({ time: 5, binding })
    expect(openApAccept(key(), mac, accept())).toEqual({ time: 5 })
  })

  it('is refused under another key, for another request, and as the other answer', () => {
    for (const [under, answered] of [
      [other(), mac],
      [key(), systemRandom(32)],
      [key(), new Uint8Array()],
    ] as const) {
      expect(() => openApReply(under, answered, reply())).toThrow(unproved)
      expect(() => openApAccept(under, answered, accept())).toThrow(unproved)
    }
    expect(() => openApReply(key(), mac, accept())).toThrow(malformed)
    expect(() => openApAccept(key(), mac, reply())).toThrow(malformed)
  })

  it.each<[string, Value[]]>([
    ['no time', [null, binding]],
    ['31 bytes', [5, binding.subarray(1)]],
    ['33 bytes', [5, new Uint8Array(33)]],
    ['15 bytes', [5, new Uint8Array(15)]],
    ['17 bytes', [5, new Uint8Array(17)]],
    ['a field less', [5]],
    ['a field more', [5, binding, null]],
  ])('does not have %s', (_, body) => {
    const answer = (type: typeof TYPE.AP_REP | typeof TYPE.AP_ACCEPT) =>
      createMacMessage(key(), 'ap-rep', type, body, mac).bytes
    expect(() => openApReply(key(), mac, answer(TYPE.AP_REP))).toThrow(malformed)
    expect(() => openApAccept(key(), mac, answer(TYPE.AP_ACCEPT))).toThrow(malformed)
  })
})
