import { WINDOW } from '../../shared/constants.js'
import type { Clock } from '../../shared/time.js'
import { ClockWatch } from './clock-watch.js'

/** What a KDC knows to be wrong with its own clock, milliseconds; 0 is nothing. */
export interface ClockState {
  /** How far the clock leapt since the KDC started, all leaps together; below 0 where it went back. */
  readonly leapt: number
  /** How far the clock is behind the newest time stored, at which KDC time stands still meanwhile. */
  readonly behind: number
}

/** KDC time, milliseconds: the platform's, but never below the newest time stored (docs/protocol.md section 10). */
export class KdcTime {
  readonly #clock: Clock
  readonly #watch: ClockWatch
  #stored: number
  #newestRead = 0
  #onLeap: (by: number) => void = () => {}

  constructor(clock: Clock, stored: number) {
    this.#clock = clock
    this.#stored = stored
    this.#watch = new ClockWatch(clock, by => this.#onLeap(by))
  }

  /** Read once for each request. */
  now(): number {
    const now = Math.max(Math.floor(this.#watch.read()), this.#stored)
    this.#newestRead = Math.max(this.#newestRead, now)
    return now
  }

  /** Milliseconds that no step of the clock touches. */
  monotonic(): number {
    return this.#clock.monotonic()
  }

  /** The newest time given to any request: no ticket of this process has a later authTime, cut-offs aside. */
  get newestRead(): number {
    return this.#newestRead
  }

  /** Reads the clock for no request, so that a leap is noticed also while there is none. */
  look(): ClockState {
    const behind = this.#stored - Math.floor(this.#watch.read())
    return { leapt: this.#watch.leapt, behind: behind > WINDOW.CLOCKS_PART ? behind : 0 }
  }

  /** Calls the one listener when the clock leaps by more than a second. @param listener gets by how much, milliseconds */
  onLeap(listener: (by: number) => void): void {
    this.#onLeap = listener
  }

  /** A time has been stored. */
  raise(stored: number): void {
    this.#stored = Math.max(this.#stored, stored)
  }
}
