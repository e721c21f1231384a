import type { TestClock } from '../../support/clock.js'
import { turns } from '../../support/turns.js'

/**
 * Moves the clock on until the call has succeeded or failed.
 * @param step how far at a time, milliseconds
 * @returns how long it took, milliseconds
 */
export async function lasting(time: TestClock, call: Promise<unknown>, step: number): Promise<number> {
  const start = time.monotonic()
  let isOver = false
  const over = call
    .catch(() => {})
    .finally(() => {
      isOver = true
    })
  await turns()
  while (!isOver) await time.elapse(step)
  await over
  return time.monotonic() - start
}
