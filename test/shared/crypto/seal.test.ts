import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../shared/bytes.js'
import { expand } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { sealExtended, sealInPlace } from '../../../shared/crypto/primitives.js'
import { open, openWith, seal, sealWith } from '../../../shared/crypto/seal.js'
import { openCounted } from '../../../shared/crypto/seal-counted.js'
import { sealCounted, sealedCopy } from '../../support/sealed.js'
import { fixedRandom, hex } from '../../vectors.js'

/** What the seals add to the ciphers beneath them: the nonce, where it stands, and what is too short. */

const bytes = Uint8Array.from({ length: 32 }, (_, i) => i)
const nonce = Uint8Array.from({ length: 24 }, (_, i) => 100 + i)
const aad = Uint8Array.of(1, 2)

describe('a seal', () => {
  it.each([0, 1, 300])('of %i bytes is its nonce, then ciphertext and tag under the expanded key', length => {
    const key = new LongTermKey(bytes.slice())
    const message = new Uint8Array(length).fill(5)
    const box = seal(key, 'ticket', aad, message, fixedRandom(nonce))
    expect(box).toEqual(concatBytes(nonce, sealExtended(expand(key, 'ticket'), nonce, aad, message)))
    expect(open(key, 'ticket', aad, box)).toEqual(message)
    expect(open(key, 'as-rep', aad, box)).toBeUndefined()
    expect(open(key, 'ticket', message, box)).toBeUndefined()
  })

  it('does not open when anything of it is cut off', () => {
    const box = sealWith(bytes, aad, new Uint8Array(), fixedRandom(nonce))
    expect(box.length).toBe(40)
    expect(openWith(bytes, aad, box)).toEqual(new Uint8Array())
    for (let length = 0; length < box.length; length++) {
      expect(openWith(bytes, aad, box.subarray(0, length))).toBeUndefined()
    }
  })
})

describe('a record', () => {
  const message = Uint8Array.of(7, 8, 9)

  it.each([
    [0, '000000000000000000000000'],
    [1, '000000000000000000000001'],
    [2 ** 32 - 1, '0000000000000000ffffffff'],
    [2 ** 32, '000000000000000100000000'],
    [2 ** 33 + 5, '000000000000000200000005'],
    [2 ** 53 - 1, '00000000001fffffffffffff'],
  ])('of counter %i has the nonce %s', (counter, expected) => {
    const sealed = sealCounted(bytes, counter, aad, message)
    expect(sealed).toEqual(sealedCopy(message, room => sealInPlace(bytes, hex(expected), aad, room)))
    expect(openCounted(bytes, counter, aad, sealed)).toEqual(message)
  })

  it('has no counter that a number cannot count', () => {
    for (const counter of [2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, 0.5]) {
      expect(() => sealCounted(bytes, counter, aad, message)).toThrow(TypeError)
      expect(() => openCounted(bytes, counter, aad, message)).toThrow(TypeError)
    }
  })
})
