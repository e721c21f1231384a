import type { Logger } from '../../shared/logger.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import type { Rate } from '../limits/defaults.js'

/**
 * How many names are counted at the same time. Above that, the least recently used name is forgotten and starts again.
 */
const NAMES_MAX = 10_000

/** A line is written, omitted, or (`last`) replaced by one that says that further lines are omitted. */
export type LineFate = 'written' | 'last' | 'omitted'

/** How many lines of one level and requester were omitted in an interval that has ended. */
export interface Omitted {
  readonly level: keyof Logger
  readonly requester: string
  readonly omitted: number
}

interface Count {
  readonly level: keyof Logger
  readonly requester: string
  readonly endsAt: number
  count: number
}

const NOTHING: readonly Omitted[] = []

/** Counts log lines by level and requester, so that nobody can fill a disk by provoking lines for ever. */
export class LineQuota {
  readonly #rate: Rate
  readonly #monotonic: () => number
  readonly #counts = new RecentlyUsed<string, Count>(NAMES_MAX)
  /** Counts with lines omitted, in the order in which their quotas were used up. */
  readonly #used = new Set<Count>()

  /** @param monotonic milliseconds of a clock that is never set */
  constructor(rate: Rate, monotonic: () => number) {
    this.#rate = rate
    this.#monotonic = monotonic
  }

  /** Counts one more line. @returns its fate, and how long the interval still lasts, milliseconds */
  take(level: keyof Logger, requester: string): { readonly fate: LineFate; readonly left: number } {
    const now = this.#monotonic()
    const name = `${level} ${requester}`
    let current = this.#counts.get(name)
    if (current === undefined || now >= current.endsAt) {
      current = { level, requester, endsAt: now + this.#rate.interval, count: 0 }
      this.#counts.set(name, current)
    }
    current.count += 1
    const fate = this.#fateOf(current.count)
    if (fate === 'last') this.#used.add(current)
    return { fate, left: current.endsAt - now }
  }

  /**
   * What was omitted in intervals that have ended since the last call. Each is returned once, those that were used up
   * first before the others.
   * @param all also those that have not ended
   */
  ended(all = false): readonly Omitted[] {
    if (this.#used.size === 0) return NOTHING
    const now = this.#monotonic()
    const ended: Omitted[] = []
    for (const used of this.#used) {
      if (!all && now < used.endsAt) break
      this.#used.delete(used)
      const { level, requester, count } = used
      ended.push({ level, requester, omitted: count - this.#rate.points })
    }
    return ended
  }

  #fateOf(count: number): LineFate {
    if (count <= this.#rate.points) return 'written'
    return count === this.#rate.points + 1 ? 'last' : 'omitted'
  }
}
