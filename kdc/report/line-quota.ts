import { LRUCache } from 'lru-cache'
import type { Rate } from '../limits/defaults.js'

/** How many names are counted at the same time. Above that, the least recently used name is forgotten and starts again. */
const NAMES_MAX = 10_000

/** A line is written, omitted, or (`last`) replaced by one that says that further lines are omitted. */
export type LineFate = 'written' | 'last' | 'omitted'

/** Counts log lines by name, so that nobody can fill a disk by provoking lines for ever. */
export class LineQuota {
  readonly #rate: Rate
  readonly #monotonic: () => number
  readonly #counts = new LRUCache<string, { count: number; readonly endsAt: number }>({ max: NAMES_MAX })

  /** @param monotonic milliseconds of a clock that is never set */
  constructor(rate: Rate, monotonic: () => number) {
    this.#rate = rate
    this.#monotonic = monotonic
  }

  /** Counts one more line of the name. @returns its fate, and how long the interval still lasts, milliseconds */
  take(name: string): { readonly fate: LineFate; readonly left: number } {
    const now = this.#monotonic()
    const known = this.#counts.get(name)
    const current = known !== undefined && now < known.endsAt ? known : this.#begin(name, now)
    current.count += 1
    return { fate: this.#fateOf(current.count), left: current.endsAt - now }
  }

  #begin(name: string, now: number): { count: number; readonly endsAt: number } {
    const begun = { count: 0, endsAt: now + this.#rate.interval }
    this.#counts.set(name, begun)
    return begun
  }

  #fateOf(count: number): LineFate {
    if (count <= this.#rate.points) return 'written'
    return count === this.#rate.points + 1 ? 'last' : 'omitted'
  }
}
