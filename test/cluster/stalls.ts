import { machineTime } from './time.js'

/** How late its own timer must be for a process to count it as time that the machine did not give it, milliseconds. */
const LATE = 75
const TICK = 25

/** @returns a function that ends it */
export function watchStalls(stalled: (began: number, ended: number) => void): () => void {
  let ticked = machineTime()
  const timer = setInterval(() => {
    const now = machineTime()
    if (now - ticked > TICK + LATE) stalled(ticked + TICK, now)
    ticked = now
  }, TICK)
  timer.unref()
  return () => clearInterval(timer)
}
