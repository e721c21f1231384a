import { type Cancel, inBackground, runAfter, type Timers } from '../timers.js'

/** Runs once when the clock has reached that time. A timer may fire before, so the clock decides. */
export function runAtEnd(timers: Timers, now: () => number, endTime: number, run: () => void): Cancel {
  const left = endTime - now()
  if (left <= 0) {
    run()
    return () => {}
  }
  let cancel = runAfter(inBackground(timers), left, () => {
    cancel = runAtEnd(timers, now, endTime, run)
  })
  return () => cancel()
}
