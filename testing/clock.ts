import type { Clock } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'

/** A clock that moves only when told to, with timers that follow it. */
export interface TestClock extends Clock, Timers {
  /** Lets this many milliseconds pass on both readings. Timers that fall due run in order. */
  advance(milliseconds: number): void
  /**
   * Sets the wall clock, as an operator or a wrong time server would. No time passes. A service whose wall and
   * monotonic clocks drift apart raises its floor, and clients wait for that, so call `advance` afterwards.
   */
  set(now: number): void
}

/** @param start milliseconds since the epoch. Default: the start of 2026 */
export function createTestClock(start = Date.UTC(2026, 0, 1)): TestClock {
  return new ManualClock(start, 0)
}

interface Wait {
  readonly due: number
  readonly run: () => void
  /** Whether this timer would keep a process alive. */
  isHeld: boolean
}

/** The clock of a test. What only this project's own tests need of it is in test/support/. */
export class ManualClock implements TestClock {
  /** The wall clock minus the monotonic clock. */
  #offset: number
  #monotonic: number
  readonly #waits = new Map<object, Wait>()

  constructor(wall: number, monotonic: number) {
    this.#offset = wall - monotonic
    this.#monotonic = monotonic
  }

  now(): number {
    return this.#offset + this.#monotonic
  }

  monotonic(): number {
    return this.#monotonic
  }

  set(now: number): void {
    this.#offset = now - this.#monotonic
  }

  advance(milliseconds: number): void {
    const until = this.#monotonic + Math.round(milliseconds)
    while (this.runNext(until));
    this.moveTo(until)
  }

  setTimeout(run: () => void, milliseconds: number): unknown {
    if (!(milliseconds >= 0)) throw new RangeError(`a timer of ${milliseconds} ms`)
    const wait: Wait = { due: this.#monotonic + Math.ceil(milliseconds), run, isHeld: true }
    const timer = {
      unref: () => {
        wait.isHeld = false
      },
    }
    this.#waits.set(timer, wait)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#waits.delete(timer as object)
  }

  protected get waits(): readonly { readonly isHeld: boolean }[] {
    return [...this.#waits.values()]
  }

  /** Lets time pass up to that monotonic reading without running anything. */
  protected moveTo(monotonic: number): void {
    this.#monotonic = Math.max(this.#monotonic, monotonic)
  }

  /** Advances to the first timer that is due by then, and runs it. @returns whether there was one */
  protected runNext(until: number): boolean {
    const due = [...this.#waits].filter(([, wait]) => wait.due <= until)
    const [next] = due.sort(([, a], [, b]) => a.due - b.due)
    if (next === undefined) return false
    const [timer, wait] = next
    this.#waits.delete(timer)
    this.moveTo(wait.due)
    wait.run()
    return true
  }
}
