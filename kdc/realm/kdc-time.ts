import type { Clock } from '../../shared/time.js'

/** KDC time, milliseconds: the platform's, but never below the newest time stored (docs/protocol.md section 10). */
export class KdcTime {
  readonly #clock: Clock
  #stored: number
  #newestRead = 0

  constructor(clock: Clock, stored: number) {
    this.#clock = clock
    this.#stored = stored
  }

  /** Read once for each request. */
  now(): number {
    const now = Math.max(Math.floor(this.#clock.now()), this.#stored)
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

  /** A time has been stored. */
  raise(stored: number): void {
    this.#stored = Math.max(this.#stored, stored)
  }
}
