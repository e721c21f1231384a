import { createHashKey, halfSipHash } from '../../shared/crypto/half-sip-hash.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { Rate } from './defaults.js'

/** Each name has one counter in each row. The lowest of them is its count. */
const ROWS = 6
/** A shorter wait counts as none, milliseconds. Sums of fractions are not exact. */
const NO_WAIT = 0.5
const WORD_BYTES = 4

export interface CountSketchOptions {
  /** Counters in each row: a power of two. All together take `counters * 48` bytes. */
  readonly counters: number
  /** Milliseconds of a clock that is never set. */
  readonly monotonic: () => number
  readonly random: RandomSource
}

/**
 * Counts by name in memory of a fixed size, so that no number of made-up names makes it forget one: a count-min sketch
 * with conservative update. Each counter drains steadily by the rate's points per interval. A name is over its rate
 * while fewer than one more point fits.
 *
 * Names that share all their counters are counted together, so a count is never too low and may be too high. Which
 * names share counters depends on a random key of this process, so nobody can choose a name that shares those of
 * another.
 */
export class CountSketch {
  readonly #rate: Rate
  readonly #mask: number
  readonly #monotonic: () => number
  readonly #length: number
  /** When each counter will have drained, milliseconds of the monotonic clock; row after row. */
  #drained: Float64Array | undefined
  /** Where the counters of the name that was hashed last are. */
  readonly #places = new Uint32Array(ROWS)
  readonly #hash: TextHash
  /** Until then some counter may be full. Afterwards no name is over its rate, and none needs to be hashed. */
  #fullUntil: number

  constructor(rate: Rate, { counters, monotonic, random }: CountSketchOptions) {
    this.#rate = rate
    this.#mask = counters - 1
    this.#monotonic = monotonic
    this.#length = ROWS * counters
    this.#hash = new TextHash(random)
    this.#fullUntil = rate.points > 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }

  /** Bytes of the counters, which are made with the first count. */
  get bytes(): number {
    return this.#length * Float64Array.BYTES_PER_ELEMENT
  }

  /** Made when they are needed: where nobody fails, they take neither memory nor time at the start. */
  get #counters(): Float64Array {
    this.#drained ??= new Float64Array(this.#length)
    return this.#drained
  }

  /**
   * How long a name is over its rate, milliseconds; 0 if it is not.
   * @param share how many times the rate's points the name has
   */
  left(name: string, share = 1): number {
    const now = this.#monotonic()
    if (now >= this.#fullUntil) return 0
    return this.#leftOf(this.#lowest(name), share, now)
  }

  /** Counts one more of a name. @returns what `left` was before it, milliseconds */
  count(name: string, share = 1): number {
    const now = this.#monotonic()
    const lowest = this.#lowest(name)
    const { interval } = this.#rate
    const raised = Math.min(Math.max(lowest, now) + this.#drainTime(share), now + interval)
    const drained = this.#counters
    for (const place of this.#places) {
      if ((drained[place] as number) < raised) drained[place] = raised
    }
    this.#fullUntil = Math.max(this.#fullUntil, raised - interval + this.#drainTime(1))
    return this.#leftOf(lowest, share, now)
  }

  #leftOf(drained: number, share: number, now: number): number {
    const { interval } = this.#rate
    const left = Math.min(interval, drained - now - interval + this.#drainTime(share))
    return left > NO_WAIT ? left : 0
  }

  /** How long a counter takes to drain by one, milliseconds. */
  #drainTime(share: number): number {
    return this.#rate.interval / (this.#rate.points * share)
  }

  /** Finds the places of a name. @returns when the first of its counters will have drained */
  #lowest(name: string): number {
    const { first, second } = this.#hash.of(name)
    const drained = this.#counters
    let lowest = Number.POSITIVE_INFINITY
    for (let row = 0; row < ROWS; row++) {
      const place = row * (this.#mask + 1) + ((first + Math.imul(row, second)) & this.#mask)
      this.#places[row] = place
      lowest = Math.min(lowest, drained[place] as number)
    }
    return lowest
  }
}

/** Two hashes of a text, each 32 bits, from which the places in all rows are made. */
class TextHash {
  readonly #firstKey: Int32Array
  readonly #secondKey: Int32Array
  #words = new Uint32Array(128)
  #bytes = new Uint8Array(this.#words.buffer)
  readonly #hashes = { first: 0, second: 0 }
  #text: string | undefined

  constructor(random: RandomSource) {
    this.#firstKey = createHashKey(random)
    this.#secondKey = createHashKey(random)
  }

  /** The next call overwrites the result. Names and addresses are ASCII; other characters count by their low byte. */
  of(text: string): { readonly first: number; readonly second: number } {
    // A name is usually looked up and counted right after each other.
    if (text === this.#text) return this.#hashes
    const count = Math.ceil(text.length / WORD_BYTES)
    this.#hold(count)
    for (let i = 0; i < text.length; i++) this.#bytes[i] = text.charCodeAt(i)
    this.#hashes.first = halfSipHash(this.#firstKey, this.#words, count)
    this.#hashes.second = halfSipHash(this.#secondKey, this.#words, count)
    this.#text = text
    return this.#hashes
  }

  /** Makes room for that many words, the last of them empty. An embedder's own addresses may be of any length. */
  #hold(count: number): void {
    if (count > this.#words.length) {
      this.#words = new Uint32Array(count)
      this.#bytes = new Uint8Array(this.#words.buffer)
    }
    if (count > 0) this.#words[count - 1] = 0
  }
}
