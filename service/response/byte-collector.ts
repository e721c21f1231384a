const CAPACITY_GROWN = 4 * 1024
const NOTHING = Buffer.alloc(0)

/**
 * Bytes that arrive in pieces, copied into one buffer that doubles as it grows: thousands of tiny pieces take no more
 * memory than their bytes do.
 */
export class ByteCollector {
  readonly #limit: number
  #held = NOTHING
  #length = 0

  /** @param limit the largest number of bytes taken. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#length
  }

  /** False, and nothing is taken, if it would be more than the limit. */
  append(piece: Uint8Array): boolean {
    const length = this.#length + piece.length
    if (length > this.#limit) return false
    if (length > this.#held.length) this.#grow(length)
    this.#held.set(piece, this.#length)
    this.#length = length
    return true
  }

  /** All bytes so far. What is appended later does not show in the result. */
  bytes(): Buffer {
    return this.#held.subarray(0, this.#length)
  }

  #grow(length: number): void {
    // Most bodies come in one piece, which takes no more than its own length.
    const wanted = this.#length === 0 ? length : Math.max(length, 2 * this.#held.length, CAPACITY_GROWN)
    const grown = Buffer.allocUnsafeSlow(Math.min(wanted, this.#limit))
    grown.set(this.bytes())
    this.#held = grown
  }
}
