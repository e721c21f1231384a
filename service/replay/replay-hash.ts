import { createHashKey, halfSipHash } from '../../shared/crypto/half-sip-hash.js'

/** A principal has at most 381 characters (shared/principal.ts); four go into a word. */
const NAME_WORDS_MAX = 96

/**
 * Turns a name into the four words of a record's key: 64 bits of hash under two keys that only this process knows, and
 * the length. The names themselves are not stored, so that a presenter always takes the same memory. Two names that
 * collide (one pair in 2^64) would share a quota and nothing else.
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
