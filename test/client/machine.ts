import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { TestClock } from '../support/clock.js'

interface Waiting {
  readonly at: number
  readonly run: () => void
  inner: unknown
}

/** One machine among others: while it sleeps, its monotonic clock and its timers stand still, as on Linux. */
export class Machine implements Clock, Timers {
  readonly #time: TestClock
  readonly #waiting = new Set<Waiting>()
  #slept = 0
  #ahead = 0

  constructor(time: TestClock) {
    this.#time = time
  }

  now(): number {
    return this.#time.now() + this.#ahead
  }

  monotonic(): number {
    return this.#time.monotonic() - this.#slept
  }

  /** The others go on meanwhile. */
  sleep(milliseconds: number): void {
    this.#time.pass(milliseconds)
    this.#slept += milliseconds
    for (const waiting of this.#waiting) {
      this.#time.clearTimeout(waiting.inner)
      this.#start(waiting)
    }
  }

  /** Its wall clock is set, and no time passes. */
  set(milliseconds: number): void {
    this.#ahead += milliseconds
  }

  setTimeout(run: () => void, milliseconds: number): unknown {
    const waiting: Waiting = { at: this.monotonic() + milliseconds, run, inner: undefined }
    this.#waiting.add(waiting)
    this.#start(waiting)
    return waiting
  }

  clearTimeout(timer: unknown): void {
    const waiting = timer as Waiting
    this.#waiting.delete(waiting)
    this.#time.clearTimeout(waiting?.inner)
  }

  #start(waiting: Waiting): void {
    const run = (): void => {
      this.#waiting.delete(waiting)
      waiting.run()
    }
    waiting.inner = this.#time.setTimeout(run, Math.max(0, waiting.at - this.monotonic()))
  }
}
