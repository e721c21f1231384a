/**
 * Numbers for choices, the same for the same seed. 32 bits of state are enough for choices and for a corpus; keys that
 * must differ come from `Random`.
 */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0, below `end`. */
  below(end: number): number {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }

  /** True once in this many times, on average. */
  oneIn(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** A source of bytes for the code under test: keys and nonces that are the same in each run, as a corpus needs. */
export function steadyRandom(seed = 1): (length: number) => Uint8Array<ArrayBuffer> {
  const chance = new Chance(seed)
  return length => chance.bytes(length)
}

/**
 * Chance for tests of real processes: each run prints its seed, and `ORTHRUS_SEED` sets it. A seed repeats the moments
 * and the changes that are tried, but not how the machine interleaves the processes.
 */
export function seededChance(what: string): Chance {
  const seed = Number(process.env.ORTHRUS_SEED ?? crypto.getRandomValues(new Uint32Array(1))[0])
  console.log(`${what}: ORTHRUS_SEED=${seed}`)
  return new Chance(seed)
}
