/** What makes something happen later. Injectable, so that a test moves time itself. */
export interface Timers {
  /** @param milliseconds from now. @returns what `clearTimeout` takes. */
  setTimeout(run: () => void, milliseconds: number): unknown
  clearTimeout(timer: unknown): void
}

/** The platform's timers. */
export const systemTimers: Timers = {
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: timer => clearTimeout(timer as ReturnType<typeof setTimeout>),
}

/** Beyond this the platform's timers fire at once. */
const LONGEST = 2 ** 31 - 1

/** A timer that does not, by itself, keep a process alive; it fires early where the time is too long for a timer. */
export function setBackgroundTimeout(timers: Timers, run: () => void, milliseconds: number): unknown {
  const timer = timers.setTimeout(run, Math.min(Math.max(0, milliseconds), LONGEST))
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') {
    timer.unref()
  }
  return timer
}

/** Waits. @throws the signal's reason when it aborts first. */
export function sleep(timers: Timers, milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timers.clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = timers.setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** The promise's outcome, or the signal's reason when it aborts first; what the promise waits for goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
