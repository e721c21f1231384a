import type { TestClock } from '../../testing/index.js'

/** Waiting without time, by turns of the event loop, so that a test is as fast as what it waits for. */

/** Runs everything that waits only for its turn. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/** Less than the time that a test may take, so that what never comes is named and not waited for ever, milliseconds. */
const PATIENCE = 25_000

/** Waits until it is so. Turns are not counted: on a busy machine another thread or process may take many of them. */
export async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE
  while (!isSo()) {
    if (performance.now() > end) throw new Error('it never came to be')
    await turns(1)
  }
}

/** Moves the clock on, in steps, until the promise is settled. */
export async function passTime<T>(
  clock: Pick<TestClock, 'advance'>,
  promise: Promise<T>,
  step = 250,
): Promise<T> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  for (let i = 0; !settled; i++) {
    if (i > 400) throw new Error('it never settled')
    await turns(10)
    if (!settled) clock.advance(step)
  }
  return promise
}
