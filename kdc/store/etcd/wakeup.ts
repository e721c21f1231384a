import { type Cancel, runAfter, type Timers } from '../../../shared/timers.js'

/** Lets waits go on when something has changed, or when their time is up. */
export class Wakeup {
  readonly #timers: Timers
  readonly #waiting = new Set<() => void>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Resolves at the next `wake`, or after that many milliseconds. */
  wait(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      let cancel: Cancel = () => {}
      const done = (): void => {
        cancel()
        this.#waiting.delete(done)
        resolve()
      }
      cancel = runAfter(this.#timers, milliseconds, done)
      this.#waiting.add(done)
    })
  }

  wake(): void {
    for (const done of [...this.#waiting]) done()
  }
}
