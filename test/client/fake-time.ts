import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

interface Waiting {
  readonly at: number
  readonly run: () => void
  /** Whether it would keep a process alive. */
  held: boolean
}

/** A clock and its timers, both moved by the test. */
export class FakeTime implements Clock, Timers {
  #monotonic = 5_000
  #ahead = 1_800_000_000_000 - 5_000
  readonly #waiting = new Map<object, Waiting>()

  now(): number {
    return this.#monotonic + this.#ahead
  }

  monotonic(): number {
    return this.#monotonic
  }

  setTimeout(run: () => void, milliseconds: number): unknown {
    if (!(milliseconds >= 0)) throw new Error(`a timer of ${milliseconds} ms`)
    const waiting: Waiting = { at: Math.ceil(this.#monotonic + milliseconds), run, held: true }
    const timer = {
      unref: () => {
        waiting.held = false
      },
    }
    this.#waiting.set(timer, waiting)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#waiting.delete(timer as object)
  }

  /** Timers that wait, and of these such as keep a process alive. */
  get timers(): { all: number; held: number } {
    const waiting = [...this.#waiting.values()]
    return { all: waiting.length, held: waiting.filter(one => one.held).length }
  }

  /** Time passes unseen: nothing fires, as while an answer is on its way or a machine sleeps. */
  pass(milliseconds: number): void {
    this.#monotonic += Math.round(milliseconds)
  }

  /** The wall clock is set, and no time passes. */
  step(milliseconds: number): void {
    this.#ahead += milliseconds
  }

  /** Time passes, and what is due fires at its time. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#monotonic + Math.round(milliseconds)
    await settle()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      const [timer, { at, run }] = next
      this.#waiting.delete(timer)
      this.#monotonic = Math.max(this.#monotonic, at)
      run()
      await settle()
    }
    this.#monotonic = Math.max(this.#monotonic, end)
    await settle()
  }

  #next(end: number): [object, Waiting] | undefined {
    const due = [...this.#waiting].filter(([, { at }]) => at <= end)
    return due.sort(([, a], [, b]) => a.at - b.at)[0]
  }
}

/** Everything that waits for nothing but its turn has had it. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
}
