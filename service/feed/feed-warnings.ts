import type { Report, ServiceEvent } from '../report/events.js'

/** What the operator is told of the feed: each state once, when it begins. */
export class FeedWarnings {
  readonly #report: Report
  #isHalfFull = false
  #isStale = false
  /** The failure that was reported last. */
  #failure: string | undefined

  constructor(report: Report) {
    this.#report = report
  }

  connected(revocations: number): void {
    this.#failure = undefined
    this.tell({ kind: 'feed_connected', revocations })
  }

  /** A channel was over, or, unless it `wasConnected`, could not be opened. */
  lost(err: unknown, wasConnected: boolean): void {
    const failure = err instanceof Error ? err.message : String(err)
    if (wasConnected) this.tell({ kind: 'feed_ended', err })
    else if (failure !== this.#failure) {
      this.#failure = failure
      this.tell({ kind: 'feed_failed', err })
    }
  }

  halfFull(revocations: number): void {
    if (this.#isHalfFull) return
    this.#isHalfFull = true
    this.tell({ kind: 'feed_half_full', revocations })
  }

  /** @param age milliseconds; infinite if no KDC has answered yet */
  stale(age: number): void {
    if (this.#isStale) return
    this.#isStale = true
    this.tell({ kind: 'feed_stale', age: Number.isFinite(age) ? age : undefined })
  }

  /** The feed is fresh: the next time that it is stale is told again. */
  fresh(): void {
    this.#isStale = false
  }

  /** A logger that fails must not keep the service from what the KDC says. */
  tell(event: ServiceEvent): void {
    try {
      this.#report(event)
    } catch {}
  }
}
