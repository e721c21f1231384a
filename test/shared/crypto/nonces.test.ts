import { describe, expect, it } from 'vitest'
import { randomBytes } from '#primitives'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { randomBytes as drawnAhead } from '../../../shared/crypto/primitives.node.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { seal } from '../../../shared/crypto/seal.js'
import { hex } from '../../vectors.js'

/**
 * No nonce comes twice: under one that did, two messages would give each other away. A nonce is drawn, never counted,
 * so this can only be tried; what is tried is the real seal, with the random bytes that it draws ahead in blocks.
 */

/** The portable implementation asks the platform each time, and takes long: a hundredth of the seals will do. */
const SHARE = randomBytes === drawnAhead ? 1 : 100
const SEALS = (process.env.ORTHRUS_SLOW === '1' ? 10_000_000 : 100_000) / SHARE
const MINUTES = 30
const NONCE_WORDS = 3

/** How many of the words stand there twice. Sorts them. */
function repeated(words: BigUint64Array): number {
  words.sort()
  let count = 0
  for (let i = 1; i < words.length; i++) if (words[i] === words[i - 1]) count += 1
  return count
}

describe('nonces', () => {
  it('differ in every seal, of millions in the slow set', { timeout: MINUTES * 60_000 }, () => {
    const key = new LongTermKey(systemRandom(32))
    const [aad, message] = [hex('0107'), hex('01')]
    // The first 64 bits of each: two in ten million meet by chance in one run of 300,000.
    const words = new BigUint64Array(SEALS)
    for (let i = 0; i < SEALS; i++) {
      const box = seal(key, 'ticket', aad, message, systemRandom)
      words[i] = new DataView(box.buffer, box.byteOffset).getBigUint64(0)
    }
    expect(repeated(words)).toBe(0)
  })

  it('share no part with each other at any position', () => {
    const [count, size] = [2_000, NONCE_WORDS * 8]
    const words: bigint[] = []
    for (let i = 0; i < count; i++) {
      const nonce = systemRandom(size)
      const view = new DataView(nonce.buffer, nonce.byteOffset, size)
      for (let at = 0; at + 8 <= size; at++) words.push(view.getBigUint64(at))
    }
    expect(repeated(BigUint64Array.from(words))).toBe(0)
  })
})
