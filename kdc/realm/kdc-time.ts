import { type Clock, HOUR } from '../../shared/time.js'
import { ClockWatch, type LeapListener } from './clock-watch.js'

/** What a KDC knows to be wrong with its own clock, milliseconds; 0 if it knows of nothing. */
export interface ClockState {
  /** The sum of the clock's leaps, until an hour after the last one; below 0 if it went back. */
  readonly leapt: number
}

/** KDC time: the platform's, milliseconds. What is revoked does not depend on it (docs/protocol.md section 10). */
export class KdcTime {
  readonly #clock: Clock
  readonly #watch: ClockWatch
  readonly #startedAt: number
  #listener: LeapListener = { leapt: () => {}, steady: () => {} }

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonic()
    this.#watch = new ClockWatch(clock, {
      leapt: by => this.#listener.leapt(by),
      steady: leapt => this.#listener.steady(leapt),
    })
  }

  /** Read once for each request. */
  now(): number {
    return Math.floor(this.#watch.read())
  }

  /** Milliseconds of a clock that is never set. */
  monotonic(): number {
    return this.#clock.monotonic()
  }

  /** Reads the clock without a request, so that a leap is noticed while there are no requests. */
  look(): ClockState {
    this.#watch.read()
    return { leapt: this.#watch.leapt }
  }

  /**
   * Whether what has ended by this clock may be erased for good: it has gone on without a leap for an hour, and since
   * the KDC started. Until then it may be set right.
   */
  get isSettled(): boolean {
    return this.look().leapt === 0 && this.monotonic() - this.#startedAt >= HOUR
  }

  /** Sets the one listener to leaps of more than a second. */
  onLeap(listener: LeapListener): void {
    this.#listener = listener
  }
}
