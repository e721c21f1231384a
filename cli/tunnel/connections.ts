import { type Cancel, runAfter, type Timers } from '../../shared/timers.js'

/** The connections that an end of a tunnel carries, so that it can wait for them when it is to end. */
export class Connections {
  readonly #aborts = new Set<() => void>()
  #onEmpty: (() => void) | undefined

  get size(): number {
    return this.#aborts.size
  }

  /** @param abort gives it up. @returns what `work` gives, when it is over */
  async during<T>(abort: () => void, work: Promise<T>): Promise<T> {
    this.#aborts.add(abort)
    try {
      return await work
    } finally {
      this.#aborts.delete(abort)
      if (this.#aborts.size === 0) this.#onEmpty?.()
    }
  }

  /**
   * Waits until there are none, and gives up those that are still there after that many milliseconds.
   * @returns how many were given up
   */
  async drain(timers: Timers, patience: number): Promise<number> {
    if (this.size === 0) return 0
    let givenUp = 0
    const empty = new Promise<void>(resolve => {
      this.#onEmpty = resolve
    })
    const giveUp = (): void => {
      givenUp = this.size
      for (const abort of this.#aborts) abort()
    }
    let cancel: Cancel = () => {}
    if (patience > 0) cancel = runAfter(timers, patience, giveUp)
    else giveUp()
    await empty
    cancel()
    return givenUp
  }
}
