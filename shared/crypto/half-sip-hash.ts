import { type RandomSource, systemRandom } from './random.js'

const INITIAL_2 = 0x6c796765
const INITIAL_3 = 0x74656462
const FINAL = 0xff
const FINAL_ROUNDS = 3

/** The key of a hash: 64 bits, known to this process only. */
export type HashKey = Int32Array

/** A key of random bits. */
export function createHashKey(random: RandomSource = systemRandom): HashKey {
  return new Int32Array(Uint8Array.from(random(8)).buffer)
}

/**
 * HalfSipHash-1-3 of the first `count` words, as a signed 32-bit number. Linux also uses it for tables whose keys an
 * attacker chooses: without the key nobody can choose inputs that collide. The hash only places entries; it
 * authenticates nothing.
 */
export function halfSipHash(key: HashKey, words: Uint32Array, count: number): number {
  let v0 = key[0] as number
  let v1 = key[1] as number
  let v2 = INITIAL_2 ^ v0
  let v3 = INITIAL_3 ^ v1
  // One round for each word, one for the length, and then the final rounds, which have no input.
  for (let i = 0; i <= count + FINAL_ROUNDS; i++) {
    const word = i < count ? (words[i] as number) : i === count ? (count & 63) << 26 : 0
    if (i === count + 1) v2 ^= FINAL
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return v1 ^ v3
}
