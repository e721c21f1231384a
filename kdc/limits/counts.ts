import { LRUCache } from 'lru-cache'
import type { Rate } from './defaults.js'

interface Window {
  count: number
  /** By the monotonic clock, milliseconds. */
  readonly endsAt: number
}

/**
 * Counts by key, each in an interval of its own that begins with its first count. Anybody can make up keys, so only so
 * many are kept: beyond, those that were not counted for the longest time are forgotten.
 */
export class Counts {
  readonly #windows: LRUCache<string, Window>
  readonly #interval: number
  readonly #monotonic: () => number

  /** @param most how many keys are kept. @param monotonic milliseconds */
  constructor({ interval }: Pick<Rate, 'interval'>, most: number, monotonic: () => number) {
    this.#windows = new LRUCache({ max: most })
    this.#interval = interval
    this.#monotonic = monotonic
  }

  add(key: string): void {
    const window = this.#windowOf(key)
    if (window !== undefined) window.count += 1
    else this.#windows.set(key, { count: 1, endsAt: this.#monotonic() + this.#interval })
  }

  /** How many keys are kept, such as have outlived their interval included. */
  get size(): number {
    return this.#windows.size
  }

  /** How often the key was counted in its interval. */
  of(key: string): number {
    return this.#windowOf(key)?.count ?? 0
  }

  /** How long the interval of the key lasts yet, milliseconds. */
  left(key: string): number {
    const window = this.#windowOf(key)
    return window === undefined ? 0 : window.endsAt - this.#monotonic()
  }

  #windowOf(key: string): Window | undefined {
    const window = this.#windows.get(key)
    if (window === undefined || this.#monotonic() < window.endsAt) return window
    this.#windows.delete(key)
    return undefined
  }
}
