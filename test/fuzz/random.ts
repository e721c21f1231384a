/** Numbers that look random and are the same for the same seed, so that a run can be had again. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0, below `end`. */
  below(end: number): number {
    // Mulberry32: 32 bits of state serve for choosing, and for nothing else.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }

  /** One time in so many. */
  oneIn(many: number): boolean {
    return this.below(many) === 0
  }

  pick<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** A source of bytes for the code under test: keys and nonces that are the same in each run, as a corpus needs. */
export function steadyRandom(seed = 1): (length: number) => Uint8Array<ArrayBuffer> {
  const random = new Random(seed)
  return length => Uint8Array.from({ length }, () => random.below(256))
}
