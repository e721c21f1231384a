/** Calls a function later. Injected, so that a test moves time itself. */
export interface Timers {
  /** @param milliseconds from now. @returns what `clearTimeout` takes */
  setTimeout(run: () => void, milliseconds: number): unknown
  clearTimeout(timer: unknown): void
}

/** The platform's timers. */
export const systemTimers: Timers = {
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: timer => clearTimeout(timer as ReturnType<typeof setTimeout>),
}

/** Stops a wait. Calling it twice, or after the wait is over, does nothing. */
export type Cancel = () => void

/** The platform's timers fire at once when asked for more than this, milliseconds. */
const LONGEST = 2 ** 31 - 1

/** Calls `run` once after that many milliseconds, with no upper limit. A negative number counts as 0. */
export function runAfter(timers: Timers, milliseconds: number, run: () => void): Cancel {
  let timer: unknown
  const wait = (left: number): void => {
    const part = Math.min(Math.max(0, left), LONGEST)
    timer = timers.setTimeout(() => (left > part ? wait(left - part) : run()), part)
  }
  wait(milliseconds)
  return () => timers.clearTimeout(timer)
}

/** Calls `run` every time that many milliseconds have passed, until it is cancelled. */
export function runEvery(timers: Timers, milliseconds: number, run: () => void): Cancel {
  let cancelled = false
  let cancel: Cancel = () => {}
  const again = (): void => {
    cancel = runAfter(timers, milliseconds, () => {
      run()
      if (!cancelled) again()
    })
  }
  again()
  return () => {
    cancelled = true
    cancel()
  }
}

/** The same timers, except that waiting for them does not keep the process alive. */
export function inBackground(timers: Timers): Timers {
  return {
    setTimeout: (run, milliseconds) => {
      const timer = timers.setTimeout(run, milliseconds)
      if (canUnref(timer)) timer.unref()
      return timer
    },
    clearTimeout: timer => timers.clearTimeout(timer),
  }
}

/** In a browser a timer is a number, and there is no process to keep alive. */
function canUnref(timer: unknown): timer is { unref(): void } {
  return typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function'
}

/** Waits. @throws the signal's reason if it aborts first */
export function sleep(timers: Timers, milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = runAfter(timers, milliseconds, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** The outcome of `promise`, or the signal's reason if it aborts first. Aborting does not stop the work itself. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
