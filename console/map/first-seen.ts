import type { Use } from '../../shared/administration/audit.js'
import { HOUR } from '../../shared/time.js'
import { type Ask, pairOf } from './asks.js'

/** How long a pair is marked as new. */
export const NEW_FOR = HOUR

/** When a pair asked for the first time that the log knows of. */
export type FirstSeen =
  /** At this time. */
  | { readonly at: number }
  /** At some time behind this one. */
  | { readonly after: number }

/** What is told of the part of the log that pairs are compared with. */
export interface Known {
  /** From when on the log was read; null for all of it that is kept. */
  readonly since: number | null
  readonly uses: readonly Use[]
  /** When the log begins. In a log that is younger than its last part everything would be new. */
  readonly begins: number
  /** The same of the last part of it alone, so that what is only there is known as new. */
  readonly recent: { readonly since: number; readonly uses: readonly Use[] }
}

/**
 * Which pairs are new: those that are nowhere in the kept log before. Nothing is called new until the log was read.
 */
export class FirstSeens {
  readonly #known = new Set<string>()
  readonly #first = new Map<string, FirstSeen>()
  /** What came before the log was read: it may be in it, and then counts there. */
  readonly #early = new Map<string, { at: number; count: number }>()
  #since: number | null | undefined

  /** From when on the log was compared; null for all of it, undefined as long as it was not read. */
  get since(): number | null | undefined {
    return this.#since
  }

  /** May be called again with more of the log. */
  learn({ since, uses, begins, recent }: Known): void {
    const isOldEnough = begins <= recent.since
    const lately = new Map(recent.uses.map(use => [pairOf(use), use]))
    for (const use of uses) {
      const pair = pairOf(use)
      if (this.#known.has(pair)) continue
      const early = this.#early.get(pair)
      const first =
        seenLive(use, early) ?? (isOldEnough ? firstOf(use, lately.get(pair), recent.since) : undefined)
      if (first === undefined) {
        this.#known.add(pair)
        this.#first.delete(pair)
      } else if (!this.#first.has(pair)) this.#first.set(pair, first)
    }
    if (this.#since === undefined) {
      for (const [pair, { at }] of this.#early)
        if (!this.#known.has(pair) && !this.#first.has(pair)) this.#first.set(pair, { at })
    }
    this.#since = since
  }

  /** A line of the log, in its order. */
  see(ask: Ask): void {
    const pair = pairOf(ask)
    if (this.#known.has(pair) || this.#first.has(pair)) return
    const early = this.#early.get(pair)
    if (early !== undefined) early.count++
    else if (this.#early.size + this.#first.size < SEEN_MAX) {
      this.#early.set(pair, { at: ask.at, count: 1 })
      if (this.#since !== undefined) this.#first.set(pair, { at: ask.at })
    }
  }

  /** When the pair was first seen, if that is so short a time ago that it is marked. */
  newness(pair: Pick<Ask, 'client' | 'service'>, now: number): FirstSeen | undefined {
    if (this.#since === undefined) return undefined
    const first = this.#first.get(pairOf(pair))
    if (first === undefined) return undefined
    return ('at' in first ? first.at : first.after) > now - NEW_FOR - SLACK ? first : undefined
  }
}

/** Names of services that do not exist are without end. */
const SEEN_MAX = 50_000

/** The last part of the log is as long as a pair is marked, and reading it takes a moment. */
const SLACK = 60_000

/** When a pair was first seen by the page itself, if the log has no more of it than the page. */
function seenLive(
  { granted, denied }: Use,
  early: { readonly at: number; readonly count: number } | undefined,
): FirstSeen | undefined {
  return early !== undefined && granted + denied <= early.count ? { at: early.at } : undefined
}

/** @returns `undefined` for a pair that was there before the last part of the log */
function firstOf(whole: Use, recent: Use | undefined, since: number): FirstSeen | undefined {
  const count = whole.granted + whole.denied
  if (recent === undefined || count > recent.granted + recent.denied) return undefined
  return count === 1 ? { at: whole.at } : { after: since }
}
