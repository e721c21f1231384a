import { WINDOW } from '../../shared/constants.js'
import type { Clock } from '../../shared/time.js'

/**
 * The floor of docs/protocol.md section 8: a time, by the service's clock, at or below which nothing is accepted.
 * It never falls. All times are milliseconds.
 */
export class ReplayFloor {
  readonly #clock: Clock
  #time: number
  #now: number
  #monotonic: number
  #hasLeapt = false
  #newestAccepted = Number.NEGATIVE_INFINITY

  /** `initial` stands in for start + 6 s. */
  constructor(clock: Clock, initial?: number) {
    this.#clock = clock
    this.#now = readNow(clock)
    this.#monotonic = clock.monotonic()
    this.#time = atMostSafe(initial ?? this.#now + WINDOW.FLOOR_AT_START)
  }

  get time(): number {
    return this.#time
  }

  /** Whether wall and monotonic clock parted before the last step: a clock that was set, or a suspended machine. */
  get hasLeapt(): boolean {
    return this.#hasLeapt
  }

  /** Reads both clocks, raises the floor by what they say and returns the time. */
  step(): number {
    const now = readNow(this.#clock)
    const monotonic = this.#clock.monotonic()
    const parted = Math.abs(now - this.#now - (monotonic - this.#monotonic))
    this.#now = now
    this.#monotonic = monotonic
    this.raise(now - WINDOW.SERVICE_PAST)
    // Also if the monotonic clock gives no number: what cannot be compared is taken to have parted.
    this.#hasLeapt = !(parted <= WINDOW.CLOCKS_PART)
    if (this.#hasLeapt) {
      this.raise(this.#newestAccepted)
      this.raise(now + WINDOW.SERVICE_FUTURE)
    }
    return now
  }

  raise(time: number): void {
    this.#time = Math.max(this.#time, atMostSafe(time))
  }

  /** Whether the floor is further ahead than a start or an eviction puts it: the clock has gone back. */
  isFarAhead(now: number): boolean {
    return this.#time - now >= WINDOW.FLOOR_AHEAD
  }

  /** Whether a stamp lies outside (floor, now + 5 s]. Differences, since they are exact up to 2^53 - 1. */
  excludes(time: number, now: number): boolean {
    return time <= this.#time || time - now > WINDOW.SERVICE_FUTURE
  }

  accepted(time: number): void {
    this.#newestAccepted = Math.max(this.#newestAccepted, time)
  }
}

/** Comparisons with NaN are false, and false would let a request through. */
function readNow(clock: Clock): number {
  const now = clock.now()
  if (!Number.isSafeInteger(now)) throw new TypeError(`the clock gave ${now}, not whole milliseconds`)
  return now
}

/** The floor travels in errors, in which a time has at most 53 bits. */
function atMostSafe(time: number): number {
  return Math.min(time, Number.MAX_SAFE_INTEGER)
}
