import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

interface Waiting {
  readonly run: () => void
  readonly at: number
}

/** A clock that stands still but for `advance`, and the timers that go by it. */
export class TestClock implements Clock, Timers {
  wall = 1_790_000_000_000
  #monotonic = 5_000
  readonly #waiting = new Set<Waiting>()

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  get waiting(): number {
    return this.#waiting.size
  }

  advance(milliseconds: number): void {
    this.wall += milliseconds
    this.#monotonic += milliseconds
    for (const waiting of [...this.#waiting]) {
      if (waiting.at > this.#monotonic || !this.#waiting.delete(waiting)) continue
      waiting.run()
    }
  }

  setTimeout(run: () => void, milliseconds: number): unknown {
    const waiting = { run, at: this.#monotonic + milliseconds }
    this.#waiting.add(waiting)
    return waiting
  }

  clearTimeout(timer: unknown): void {
    this.#waiting.delete(timer as Waiting)
  }
}
