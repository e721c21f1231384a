import { runAfter, type Timers } from '../../../shared/timers.js'

/** Those who read the log to its end, and wait for another line. */
export class LineWaits {
  readonly #timers: Timers
  readonly #readers = new Set<() => void>()
  #isOver = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Resolves when another line was written, or after that time, milliseconds. */
  next(milliseconds: number): Promise<void> {
    if (this.#isOver || milliseconds === 0) return Promise.resolve()
    return new Promise(resolve => {
      const done = (): void => {
        cancel()
        this.#readers.delete(done)
        resolve()
      }
      const cancel = runAfter(this.#timers, milliseconds, done)
      this.#readers.add(done)
    })
  }

  /** Another line was written. */
  wake(): void {
    for (const done of [...this.#readers]) done()
  }

  /** Nobody waits any more, now and later. */
  end(): void {
    this.#isOver = true
    this.wake()
  }
}
