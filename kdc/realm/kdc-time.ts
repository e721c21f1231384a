import { WINDOW } from '../../shared/constants.js'
import type { Clock } from '../../shared/time.js'
import { ClockWatch, type LeapListener } from './clock-watch.js'

/** What a KDC knows to be wrong with its own clock, milliseconds; 0 if it knows of nothing. */
export interface ClockState {
  /** The sum of the clock's leaps, until an hour after the last one; below 0 if it went back. */
  readonly leapt: number
  /** How far the clock is behind the newest stored time. KDC time stands still until the clock reaches it. */
  readonly behind: number
}

/**
 * KDC time, milliseconds: the platform's time, but never below the newest stored time (docs/protocol.md section 10).
 */
export class KdcTime {
  readonly #clock: Clock
  readonly #watch: ClockWatch
  #stored: number
  #newestRead = 0
  #listener: LeapListener = { leapt: () => {}, steady: () => {} }

  constructor(clock: Clock, stored: number) {
    this.#clock = clock
    this.#stored = stored
    this.#watch = new ClockWatch(clock, {
      leapt: by => this.#listener.leapt(by),
      steady: leapt => this.#listener.steady(leapt),
    })
  }

  /** Read once for each request. */
  now(): number {
    const now = Math.max(Math.floor(this.#watch.read()), this.#stored)
    this.#newestRead = Math.max(this.#newestRead, now)
    return now
  }

  /** Milliseconds of a clock that is never set. */
  monotonic(): number {
    return this.#clock.monotonic()
  }

  /** The newest time given to any request. No ticket of this process has a later authTime, except after a cut-off. */
  get newestRead(): number {
    return this.#newestRead
  }

  /** Reads the clock without a request, so that a leap is noticed while there are no requests. */
  look(): ClockState {
    const behind = this.#stored - Math.floor(this.#watch.read())
    return { leapt: this.#watch.leapt, behind: behind > WINDOW.CLOCKS_PART ? behind : 0 }
  }

  /** Sets the one listener to leaps of more than a second. */
  onLeap(listener: LeapListener): void {
    this.#listener = listener
  }

  /** Says that this time has been stored: KDC time never falls below it. */
  raise(stored: number): void {
    this.#stored = Math.max(this.#stored, stored)
  }
}
