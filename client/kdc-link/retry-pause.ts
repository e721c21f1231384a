import type { Fraction } from '../../shared/crypto/fraction.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

/** Tuning, not protocol: the first and the longest pause, milliseconds. It doubles each time. */
const PAUSE_FIRST = 250
const PAUSE_MAX = 4_000

export interface RetryPauseOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
}

/** The pause after no KDC could be reached; random in part, so that clients do not return together. */
export class RetryPause {
  readonly #options: RetryPauseOptions
  #failures = 0
  #retryAt = Number.NEGATIVE_INFINITY
  #end: (() => void) | undefined

  constructor(options: RetryPauseOptions) {
    this.#options = options
  }

  /** No KDC could be reached: the pause begins, and is longer than the last one. */
  lengthen(): void {
    const { clock, fraction } = this.#options
    const whole = Math.min(PAUSE_MAX, PAUSE_FIRST * 2 ** this.#failures)
    this.#failures++
    this.#retryAt = clock.monotonic() + whole * (0.5 + 0.5 * fraction())
  }

  /** A KDC was reached: the next pause is a short one. */
  reset(): void {
    this.#failures = 0
  }

  /** Resolves when the pause is over, or ended. */
  async over(): Promise<void> {
    const { clock, timers } = this.#options
    const left = this.#retryAt - clock.monotonic()
    if (left <= 0) return
    await new Promise<void>(resolve => {
      const timer = timers.setTimeout(resolve, left)
      this.#end = () => {
        timers.clearTimeout(timer)
        resolve()
      }
    })
    this.#end = undefined
  }

  /** Ends the pause that is under way, if there is one. */
  end(): void {
    this.#end?.()
  }
}
