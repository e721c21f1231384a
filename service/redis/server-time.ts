import type { Clock } from '../../shared/time.js'

/** Both clocks, read together. */
export interface Reading {
  readonly now: number
  readonly monotonic: number
}

export function takeReading(clock: Clock): Reading {
  return { now: clock.now(), monotonic: clock.monotonic() }
}

/** Milliseconds since a reading, by the clock that says more: a machine may have slept, or its clock been set. */
export function elapsedSince(clock: Clock, { now, monotonic }: Reading): number {
  return Math.max(clock.now() - now, clock.monotonic() - monotonic)
}

/** The time of a server that may be gone: what it said last, and what has passed since it was asked. */
export class ServerTime {
  readonly #clock: Clock
  #last: { readonly time: number; readonly asked: Reading } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param time as the server said it. @param asked when it was asked, so that what follows is never too early */
  keep(time: number, asked: Reading): void {
    this.#last = { time, asked }
  }

  /** Not before the server's own time, if it is still there; undefined if it never said one. */
  now(): number | undefined {
    const last = this.#last
    return last && last.time + elapsedSince(this.#clock, last.asked)
  }
}
