import { WINDOW } from '../../shared/constants.js'
import { type Clock, HOUR } from '../../shared/time.js'

/** Tuning: how long a leap is remembered while no other follows, on the monotonic clock, milliseconds. */
const REMEMBERED = HOUR

export interface LeapListener {
  /** @param by the size of the leap, below 0 if the clock went back */
  leapt(by: number): void
  /** Called an hour after the last leap. @param leapt the sum of the leaps, which are now forgotten */
  steady(leapt: number): void
}

/**
 * Notices when the wall clock leaps: when, from one reading to the next, it moves by over a second more or less than
 * the monotonic clock. Then it was set, or the machine slept. All times are milliseconds.
 */
export class ClockWatch {
  readonly #clock: Clock
  readonly #listener: LeapListener
  #wall: number
  #monotonic: number
  #leapt = 0
  /** When the clock last leapt, on the monotonic clock. */
  #leaptAt = 0

  constructor(clock: Clock, listener: LeapListener) {
    this.#clock = clock
    this.#listener = listener
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
    else if (this.#leapt !== 0 && monotonic - this.#leaptAt >= REMEMBERED) this.#forget()
    return wall
  }

  /** The sum of the leaps that are remembered; 0 if they cancel out to within a second. */
  get leapt(): number {
    return Math.abs(this.#leapt) > WINDOW.CLOCKS_PART ? this.#leapt : 0
  }

  #leap(by: number): void {
    this.#leapt += by
    this.#leaptAt = this.#monotonic
    this.#listener.leapt(by)
  }

  /** A leap that set the clock right, or a machine's sleep, cannot be told from one that set it wrong. */
  #forget(): void {
    const { leapt } = this
    this.#leapt = 0
    if (leapt !== 0) this.#listener.steady(leapt)
  }
}
