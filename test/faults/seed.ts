/**
 * Chance that can be had again: each run prints its seed, and `ORTHRUS_SEED` sets it. What processes do meanwhile is
 * the machine's, so a seed repeats the moments and the changes tried, not the interleaving.
 */
export interface Chance {
  /** A whole number from 0, below the limit. */
  below(limit: number): number
  /** One of them. */
  of<T>(choices: readonly [T, ...T[]]): T
}

export function seededChance(what: string): Chance {
  const seed = Number(process.env.ORTHRUS_SEED ?? crypto.getRandomValues(new Uint32Array(1))[0])
  console.log(`${what}: ORTHRUS_SEED=${seed}`)
  return chanceFrom(seed)
}

/** Mulberry32: 32 bits of state are enough to choose by. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return { below, of: choices => choices[below(choices.length)] as (typeof choices)[0] }
}
