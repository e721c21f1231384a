import type { Clock } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'

/** A clock that moves only when it is told to, with timers that follow it. */
export interface TestClock extends Clock, Timers {
  /** Lets so many milliseconds pass, on both of its readings; timers that fall due run in their order. */
  advance(milliseconds: number): void
  /**
   * Sets the wall clock, as an operator or a wrong time server does; no time passes. A service whose wall and monotonic
   * clock part raises its floor, and clients wait for that: let some time `advance` afterwards.
   */
  set(now: number): void
}

interface Timer {
  readonly due: number
  readonly run: () => void
}

/** @param start milliseconds since the epoch. */
export function createTestClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let [offset, monotonic] = [start, 0]
  const timers = new Set<Timer>()
  const nextDue = (until: number): Timer | undefined =>
    [...timers].filter(timer => timer.due <= until).sort((a, b) => a.due - b.due)[0]
  return {
    now: () => offset + monotonic,
    monotonic: () => monotonic,
    set(now) {
      offset = now - monotonic
    },
    advance(milliseconds) {
      const until = monotonic + milliseconds
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        timers.delete(timer)
        monotonic = Math.max(monotonic, timer.due)
        timer.run()
      }
      monotonic = until
    },
    setTimeout(run, milliseconds) {
      const timer = { due: monotonic + milliseconds, run }
      timers.add(timer)
      return timer
    },
    clearTimeout(timer) {
      timers.delete(timer as Timer)
    },
  }
}
