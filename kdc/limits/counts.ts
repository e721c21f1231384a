import { LRUCache } from 'lru-cache'
import type { Rate } from './defaults.js'

/** What was counted of one key in its present interval. */
export interface Count {
  /** May be raised. */
  count: number
  /** By the monotonic clock, milliseconds. */
  readonly endsAt: number
}

/**
 * Counts by key, each in an interval of its own that begins with its first count. Anybody can make up keys, so only so
 * many are kept. Beyond, the key that was not asked for longest is forgotten.
 */
export class Counts {
  readonly #counts: LRUCache<string, Count>
  readonly #interval: number
  readonly #monotonic: () => number

  /** @param most how many keys are kept. @param monotonic milliseconds */
  constructor({ interval }: Pick<Rate, 'interval'>, most: number, monotonic: () => number) {
    this.#counts = new LRUCache({ max: most })
    this.#interval = interval
    this.#monotonic = monotonic
  }

  /** What counts from now on as the key's. */
  at(key: string): Count {
    const now = this.#monotonic()
    const known = this.#counts.get(key)
    if (known !== undefined && now < known.endsAt) return known
    const begun = { count: 0, endsAt: now + this.#interval }
    this.#counts.set(key, begun)
    return begun
  }

  /** How many keys are kept. Some of them may have outlived their interval. */
  get size(): number {
    return this.#counts.size
  }

  /** How often the key was counted in its interval. Asking keeps no key. */
  of(key: string): number {
    const known = this.#counts.get(key)
    return known !== undefined && this.#monotonic() < known.endsAt ? known.count : 0
  }

  /** How long the interval of a key that was counted lasts yet, milliseconds. */
  left(key: string): number {
    return (this.#counts.get(key)?.endsAt ?? 0) - this.#monotonic()
  }
}
