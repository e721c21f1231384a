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

  /** @param initial the first floor, in place of start + 6 s */
  constructor(clock: Clock, initial?: number) {
    this.#clock = clock
    this.#now = readNow(clock)
    this.#monotonic = clock.monotonic()
    this.#time = atMostSafe(initial ?? this.#now + WINDOW.FLOOR_AT_START)
  }

  get time(): number {
    return this.#time
  }

  /** Nothing that was accepted since the start, or before it, is stamped above this. */
  get newest(): number {
    return Math.max(this.#time, this.#newestAccepted)
  }

  /** Whether the last step found that the clock had leapt: it was set, or the machine was suspended. */
  get hasLeapt(): boolean {
    return this.#hasLeapt
  }

  /** Reads both clocks, raises the floor as they require, and returns the time. */
  step(): number {
    const now = readNow(this.#clock)
    const monotonic = this.#clock.monotonic()
    const drift = Math.abs(now - this.#now - (monotonic - this.#monotonic))
    this.#now = now
    this.#monotonic = monotonic
    this.raise(now - WINDOW.SERVICE_PAST)
    // NaN from the monotonic clock counts as a leap too: what cannot be compared is not trusted.
    this.#hasLeapt = !(drift <= WINDOW.CLOCKS_PART)
    if (this.#hasLeapt) {
      this.raise(this.#newestAccepted)
      this.raise(now + WINDOW.SERVICE_FUTURE)
    }
    return now
  }

  raise(time: number): void {
    this.#time = Math.max(this.#time, atMostSafe(time))
  }

  /** Whether the floor is further ahead than a start or an eviction can put it, so the clock has gone back. */
  isFarAhead(now: number): boolean {
    return this.#time - now >= WINDOW.FLOOR_AHEAD
  }

  /** Whether a stamp lies outside (floor, now + 5 s]. Computed with a difference, which is exact up to 2^53 - 1. */
  excludes(time: number, now: number): boolean {
    return time <= this.#time || time - now > WINDOW.SERVICE_FUTURE
  }

  accepted(time: number): void {
    this.#newestAccepted = Math.max(this.#newestAccepted, time)
  }
}

/** Refuses NaN among others: comparisons with it are false, and false would admit a request. */
function readNow(clock: Clock): number {
  const now = clock.now()
  if (!Number.isSafeInteger(now)) throw new TypeError(`the clock gave ${now}, not whole milliseconds`)
  return now
}

/** The floor is sent in errors, where a time has at most 53 bits. */
function atMostSafe(time: number): number {
  return Math.min(time, Number.MAX_SAFE_INTEGER)
}
