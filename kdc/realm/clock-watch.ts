import { WINDOW } from '../../shared/constants.js'
import type { Clock } from '../../shared/time.js'

/**
 * Notices when the wall clock leaps: when, from one reading to the next, it goes more than a second further than the
 * monotonic clock, or less far. It was set, or the machine slept. All times are milliseconds.
 */
export class ClockWatch {
  readonly #clock: Clock
  readonly #onLeap: (by: number) => void
  #wall: number
  #monotonic: number
  #leapt = 0

  /** @param onLeap is told of each leap, below 0 for one back. */
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

  /** All leaps together; 0 where those back made up for those ahead, to within a second. */
  get leapt(): number {
    return Math.abs(this.#leapt) > WINDOW.CLOCKS_PART ? this.#leapt : 0
  }

  #leap(by: number): void {
    this.#leapt += by
    this.#onLeap(by)
  }
}
