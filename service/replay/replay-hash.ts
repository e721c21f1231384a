import { systemRandom } from '../../shared/crypto/random.js'

const INITIAL_2 = 0x6c796765
const INITIAL_3 = 0x74656462
const FINAL = 0xff
const FINAL_ROUNDS = 3
/** A principal has at most 381 characters (shared/principal.ts); four go into a word. */
const NAME_WORDS_MAX = 96

/** The key of a hash: 64 bits, known to this process only. */
export type HashKey = Int32Array

/** A key of random bits. */
export function createHashKey(): HashKey {
  return new Int32Array(new Uint8Array(systemRandom(8)).buffer)
}

/**
 * HalfSipHash-1-3 of the first `count` words, as a signed 32-bit number. Linux also uses it for tables whose keys an
 * attacker chooses. A client knows its MAC keys and so can search for ids of its choice, but without the key of this hash
 * it cannot make them collide in one chain. The hash only places entries; it authenticates nothing.
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

/**
 * Turns a name into the four words of a record's key: 64 bits of hash under two keys that only this process knows, and the
 * length. The names themselves are not stored, so that a presenter always takes the same memory. Two names that collide
 * (one pair in 2^64) would share a quota and nothing else.
 */
export class NameHash {
  readonly #first = createHashKey()
  readonly #second = createHashKey()
  readonly #words = new Uint32Array(NAME_WORDS_MAX)
  readonly #bytes = new Uint8Array(this.#words.buffer)
  readonly #key = new Uint32Array(4)
  #name = ''

  /** The four words. The next call overwrites them. A principal is ASCII, so one byte per character is enough. */
  of(name: string): Uint32Array {
    // Each admission asks for the same name twice.
    if (name !== this.#name) this.#write(name)
    return this.#key
  }

  #write(name: string): void {
    const count = Math.min((name.length + 3) >> 2, NAME_WORDS_MAX)
    this.#words[count - 1] = 0
    for (let i = 0; i < name.length; i++) this.#bytes[i] = name.charCodeAt(i)
    this.#key[0] = halfSipHash(this.#first, this.#words, count)
    this.#key[1] = halfSipHash(this.#second, this.#words, count)
    this.#key[2] = name.length
    this.#name = name
  }
}
