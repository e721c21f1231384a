import { LRUCache } from 'lru-cache'
import type { Rate } from '../limits/defaults.js'

/** How many names are counted at the same time. Beyond, the one that was quiet longest starts again. */
const NAMES_MAX = 10_000

/** What becomes of a line: written, left out, or replaced by one that says that the next ones are left out. */
export type LineFate = 'written' | 'last' | 'omitted'

/** Counts lines by name, so that nobody fills a disk with what can be provoked without end. */
export class LineQuota {
  readonly #rate: Rate
  readonly #monotonic: () => number
  readonly #counts = new LRUCache<string, { count: number; readonly endsAt: number }>({ max: NAMES_MAX })

  /** @param monotonic milliseconds that no step of the clock touches */
  constructor(rate: Rate, monotonic: () => number) {
    this.#rate = rate
    this.#monotonic = monotonic
  }

  /** @returns what becomes of one more line of that name, and how long the interval still lasts, milliseconds */
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
