import { describe, expect, it } from 'vitest'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { createMac } from '../../../shared/crypto/derive.js'
import { AuthKey } from '../../../shared/crypto/keys.js'
import { encode } from '../../../shared/encoding/encoding.js'
import {
  contentOf,
  createMacMessage,
  createMessage,
  decodeMacMessage,
  decodeMessage,
  header,
  messageType,
} from '../../../shared/encoding/message.js'
import { hex } from '../../vectors.js'

/** The frame around every body: size, version and type, in this order, and where the MAC stands. */

const LARGEST = 64 * 1024

describe('a header', () => {
  it.each(Object.entries(TYPE))('of %s is the version and the type', (_, type) => {
    expect(header(type)).toEqual(Uint8Array.of(1, type))
  })

  it.each<[string, string, object]>([
    ['nothing', '', { code: 'malformed', final: true }],
    ['a version alone', '01', { code: 'malformed', final: true }],
    ['a later version', '0205', { code: 'unsupported_version', final: true, facts: { expected: 1 } }],
    ['version 0, alone', '00', { code: 'unsupported_version', final: true, facts: { expected: 1 } }],
  ])('is not %s', (_, bytes, error) => {
    expect(() => messageType(hex(bytes))).toThrow(expect.objectContaining(error))
  })

  it('is checked after the size', () => {
    const large = new Uint8Array(LARGEST + 1)
    expect(() => messageType(large)).toThrow(expect.objectContaining({ code: 'too_large', final: true }))
    large[0] = 1
    large[1] = TYPE.TICKET
    expect(messageType(large.subarray(0, LARGEST))).toBe(TYPE.TICKET)
    expect(() => messageType(large)).toThrow(expect.objectContaining({ code: 'too_large' }))
  })

  it('with a type that does not exist is returned as that', () => {
    expect(messageType(hex('01ff'))).toBe(255)
    expect(() => contentOf(hex('01ff'), TYPE.TICKET)).toThrow(
      expect.objectContaining({ code: 'malformed', reason: 'a message of type 255 instead of 7' }),
    )
  })
})

describe('a message', () => {
  it('is its header and its body, even in a Buffer', () => {
    const message = createMessage(TYPE.TICKET, ['a', new Uint8Array([1])])
    expect(toHex(message)).toBe('010792a161c40101')
    const [, inner] = decodeMessage(Buffer.from(message), TYPE.TICKET)
    expect(inner?.constructor).toBe(Uint8Array)
    expect(contentOf(Buffer.from(message), TYPE.TICKET).constructor).toBe(Uint8Array)
  })

  it('has a MAC over itself and what it answers', () => {
    const key = new AuthKey(new Uint8Array(32).fill(3))
    const message = createMessage(TYPE.AP_REP, [1])
    const answered = new Uint8Array(32).fill(9)
    const alone = createMacMessage(key, 'ap-rep', TYPE.AP_REP, [1])
    const answer = createMacMessage(key, 'ap-rep', TYPE.AP_REP, [1], answered)
    expect(alone.mac).toEqual(createMac(key, 'ap-rep', message))
    expect(answer.mac).toEqual(createMac(key, 'ap-rep', concatBytes(message, answered)))
    for (const { bytes, mac } of [alone, answer]) {
      expect(bytes).toEqual(concatBytes(message, mac))
      for (const given of [bytes, Buffer.from(bytes)]) {
        const decoded = decodeMacMessage(given, TYPE.AP_REP)
        expect(decoded).toEqual({ body: [1], covered: message, mac })
        expect(decoded.covered.constructor).toBe(Uint8Array)
      }
    }
  })

  it('is too short for its MAC, or has nothing but it', () => {
    const tooShort = concatBytes(header(TYPE.AP_REP), new Uint8Array(31))
    expect(() => decodeMacMessage(tooShort, TYPE.AP_REP)).toThrow(
      expect.objectContaining({ code: 'malformed', reason: 'a message without its MAC' }),
    )
    const onlyMac = concatBytes(header(TYPE.AP_REP), new Uint8Array(32))
    expect(() => decodeMacMessage(onlyMac, TYPE.AP_REP)).toThrow(
      expect.objectContaining({ code: 'malformed', reason: 'cut off' }),
    )
    const leastBody = concatBytes(header(TYPE.AP_REP), encode([]), new Uint8Array(32))
    expect(decodeMacMessage(leastBody, TYPE.AP_REP).body).toEqual([])
  })
})
