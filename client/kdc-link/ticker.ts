import type { Timers } from '../../shared/timers.js'

/**
 * Counts time in ticks while something is awaited. A process that was blocked, or a machine that slept, counts one tick
 * for all of it, and reads before the next one what has come meanwhile: so nobody is called silent who was not heard.
 */
export class Ticker {
  readonly #timers: Timers
  readonly #length: number
  readonly #tick: () => void
  #timer: unknown
  #count = 0

  /** @param length of a tick, milliseconds */
  constructor(timers: Timers, length: number, tick: () => void) {
    this.#timers = timers
    this.#length = length
    this.#tick = tick
  }

  get count(): number {
    return this.#count
  }

  /** The count from which something that begins now has waited for whole ticks. */
  get next(): number {
    return this.#timer === undefined ? this.#count : this.#count + 1
  }

  start(): void {
    this.#timer ??= this.#timers.setTimeout(() => {
      this.#timer = undefined
      this.#count++
      this.start()
      this.#tick()
    }, this.#length)
  }

  stop(): void {
    if (this.#timer !== undefined) this.#timers.clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
