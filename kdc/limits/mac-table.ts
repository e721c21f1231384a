import type { RandomSource } from '../../shared/crypto/random.js'

/** What is known of a MAC: that it is new, or how often it was seen before, as far as that matters. */
export type Sighting = 'new' | 'repeated' | 'repeated again'

/** The number of slots at first; the table doubles when half of them are used. */
const SLOTS = 256
/** Two words of 32 bits each. */
const WORDS = 2
/** In the second word: whether the MAC was seen more than once. So 63 bits of each MAC are compared. */
const SEEN_AGAIN = 1

/**
 * A set of MACs by their first 8 bytes, in one array without an object for each. The place of a MAC depends on two
 * numbers that only this process knows, so nobody can choose MACs that crowd together.
 */
export class MacTable {
  readonly #oneFactor: number
  readonly #otherFactor: number
  #words = new Uint32Array(SLOTS * WORDS)
  #shift = 32 - Math.log2(SLOTS)
  #size = 0

  constructor(random: RandomSource) {
    const drawn = new DataView(Uint8Array.from(random(8)).buffer)
    this.#oneFactor = drawn.getUint32(0) | 1
    this.#otherFactor = drawn.getUint32(4) | 1
  }

  get size(): number {
    return this.#size
  }

  /** @param mayAdd whether a new MAC is remembered */
  see(mac: Uint8Array, mayAdd: boolean): Sighting {
    const first = wordAt(mac, 0)
    // A slot of zeros is free, so a MAC that begins with zeros, one in 2^63, is stored as another one.
    const second = wordAt(mac, 4) & ~SEEN_AGAIN || (first === 0 ? 2 : 0)
    const slot = this.#slotOf(first, second >>> 0)
    const words = this.#words
    if (words[slot] === 0 && words[slot + 1] === 0) {
      if (mayAdd) this.#add(slot, first, second)
      return 'new'
    }
    if (((words[slot + 1] ?? 0) & SEEN_AGAIN) !== 0) return 'repeated again'
    words[slot + 1] = second | SEEN_AGAIN
    return 'repeated'
  }

  #add(slot: number, first: number, second: number): void {
    this.#words[slot] = first
    this.#words[slot + 1] = second
    this.#size += 1
    if (this.#size * WORDS * 2 > this.#words.length) this.#grow()
  }

  /** The place of the MAC, or the free slot where it would be. */
  #slotOf(first: number, second: number): number {
    const words = this.#words
    const last = words.length - WORDS
    const hash = (Math.imul(first, this.#oneFactor) + Math.imul(second, this.#otherFactor)) >>> this.#shift
    for (let slot = hash * WORDS; ; slot = slot === last ? 0 : slot + WORDS) {
      const here = words[slot]
      const beside = words[slot + 1] ?? 0
      if (here === 0 && beside === 0) return slot
      if (here === first && (beside & ~SEEN_AGAIN) >>> 0 === second) return slot
    }
  }

  #grow(): void {
    const old = this.#words
    this.#words = new Uint32Array(old.length * 2)
    this.#shift -= 1
    for (let i = 0; i < old.length; i += WORDS) {
      const [first = 0, second = 0] = [old[i], old[i + 1]]
      if (first === 0 && second === 0) continue
      const slot = this.#slotOf(first, (second & ~SEEN_AGAIN) >>> 0)
      this.#words[slot] = first
      this.#words[slot + 1] = second
    }
  }
}

function wordAt(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] ?? 0) << 24) | ((bytes[offset + 1] ?? 0) << 16)
  return (high | ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0)) >>> 0
}
