import { WINDOW } from '../../shared/constants.js'
import type { Clock } from '../../shared/time.js'

/**
 * Notices when the wall clock leaps: when, from one reading to the next, it moves by over a second more or less than
 * the monotonic clock. Then it was set, or the machine slept. All times are milliseconds.
 */
export class ClockWatch {
  readonly #clock: Clock
  readonly #onLeap: (by: number) => void
  #wall: number
  #monotonic: number
  #leapt = 0

  /** @param onLeap called with the size of each leap, below 0 if the clock went back */
  constructor(clock: Clock, onLeap: (by: number) => void) {
    this.#clock = clock
    this.#onLeap = onLeap
    this.#wall = clock.now()
    this.#monotonic = clock.monotonic()
  }

  /** Reads both clocks, and returns the wall clock's time. */
  read(): number {
    const wall = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    const by = wall - this.#wall - (monotonic - this.#monotonic)
    this.#wall = wall
    this.#monotonic = monotonic
    if (Math.abs(by) > WINDOW.CLOCKS_PART) this.#leap(Math.round(by))
    return wall
  }

  /** The sum of all leaps; 0 if they cancel out to within a second. */
  get leapt(): number {
    return Math.abs(this.#leapt) > WINDOW.CLOCKS_PART ? this.#leapt : 0
  }

  #leap(by: number): void {
    this.#leapt += by
    this.#onLeap(by)
  }
}
