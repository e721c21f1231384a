import { OrthrusError } from '../../shared/errors.js'
import { withoutSecrets } from '../../shared/shown-text.js'
import { type Clock, SECOND } from '../../shared/time.js'
import type { Report } from '../report/events.js'
import type { RedisEvent } from '../report/replay-events.js'

/** Milliseconds between two reports of one kind, by the monotonic clock. */
const INTERVAL = 10 * SECOND
/** How much is shown of what a client or server says, characters. */
const REASON_MAX = 200

/** An error of Orthrus has its code before its message, which says nothing about the server. */
function wordsOf(cause: unknown): string {
  if (cause instanceof OrthrusError) return cause.reason
  return cause instanceof Error ? cause.message : String(cause)
}

/** Tells the owner how the server stands, and nothing twice within ten seconds. */
export class RedisReports {
  readonly #clock: Clock
  readonly #report: Report
  readonly #toldAt = new Map<RedisEvent['kind'], number>()
  #isAway = false

  constructor(clock: Clock, report: Report) {
    this.#clock = clock
    this.#report = report
  }

  answered(): void {
    this.#isAway = false
  }

  /** Told once until it answers. */
  away(cause: unknown): void {
    if (this.#isAway) return
    this.#isAway = true
    const reason = withoutSecrets(wordsOf(cause))
    this.#report({ kind: 'redis_away', reason: reason.slice(0, REASON_MAX) })
  }

  forgot(now: number, floor: number): void {
    this.#tell({ kind: 'redis_forgot', now, floor })
  }

  full(now: number, floor: number): void {
    this.#tell({ kind: 'redis_full', now, floor })
  }

  evicts(policy: string): void {
    this.#tell({ kind: 'redis_evicts', policy: policy.slice(0, REASON_MAX) })
  }

  /** @param ahead how far this process's clock is ahead of the server's, milliseconds */
  clocksApart(ahead: number): void {
    this.#tell({ kind: 'redis_clock_apart', ahead })
  }

  #tell(event: RedisEvent): void {
    const now = this.#clock.monotonic()
    const last = this.#toldAt.get(event.kind)
    if (last !== undefined && now - last < INTERVAL) return
    this.#toldAt.set(event.kind, now)
    this.#report(event)
  }
}
