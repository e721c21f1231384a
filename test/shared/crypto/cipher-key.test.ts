import { createCipheriv, createDecipheriv, KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CipherKey, cipherKeyFor } from '../../../shared/crypto/cipher-key.node.js'

/** The form in which ciphers get their keys, which differs with the version of Node; the bytes never do. */

const TAGGED = { authTagLength: 16 } as const
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

function seal(key: CipherKey, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, TAGGED)
  cipher.setAAD(aad, { plaintextLength: message.length })
  return Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()])
}

function open(key: CipherKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, TAGGED)
  decipher.setAAD(aad, { plaintextLength: sealed.length - 16 })
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

describe('the key of a cipher', () => {
  it.each([
    ['20.20.2', false],
    ['22.23.3', false],
    ['23.11.1', false],
    ['24.0.0', true],
    ['26.1.0', true],
    ['100.0.0', true],
  ])('under Node %s is an object: %s', (version, isObject) => {
    const key = new Uint8Array(32)
    const given = cipherKeyFor(version)(key)
    expect(given instanceof KeyObject).toBe(isObject)
    if (!isObject) expect(given).toBe(key)
  })

  it('makes the same bytes in either form', () => {
    const [before, from] = [cipherKeyFor('22.0.0'), cipherKeyFor('24.0.0')]
    fc.assert(
      fc.property(bytes(32), bytes(12), fc.uint8Array(), fc.uint8Array(), (key, nonce, aad, message) => {
        const sealed = seal(before(key), nonce, aad, message)
        expect(seal(from(key), nonce, aad, message)).toEqual(sealed)
        expect(open(from(key), nonce, aad, sealed)).toEqual(Buffer.from(message))
      }),
    )
  })

  it('is copied, as a cipher copies bytes: the array may be used again', () => {
    const key = new Uint8Array(32).fill(1)
    const given = cipherKeyFor('24.0.0')(key)
    const [nonce, nothing] = [new Uint8Array(12), new Uint8Array()]
    const before = seal(given, nonce, nothing, nothing)
    key.fill(2)
    expect(seal(given, nonce, nothing, nothing)).toEqual(before)
  })
})
