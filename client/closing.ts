import { OrthrusError } from '../shared/errors.js'

/** Whether a realm is closed, and what ends with it. */
export class Closing {
  readonly #waiting = new Set<(cause: OrthrusError) => void>()
  #cause: OrthrusError | undefined

  /** @throws OrthrusError `unavailable` once the realm is closed */
  requireOpen(): void {
    if (this.#cause !== undefined) throw this.#cause
  }

  /** Runs the function when the realm is closed, or soon if it is already. @returns a function that cancels this */
  whenClosed(run: (cause: OrthrusError) => void): () => void {
    this.#waiting.add(run)
    const cause = this.#cause
    if (cause !== undefined) queueMicrotask(() => this.#end(cause))
    return () => this.#waiting.delete(run)
  }

  /** Runs the function with a signal that is aborted when `signal` is, and when the realm is closed. */
  async during<T>(signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ending = new AbortController()
    const abort = (): void => ending.abort(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const forget = this.whenClosed(cause => ending.abort(cause))
    try {
      return await run(ending.signal)
    } finally {
      signal.removeEventListener('abort', abort)
      forget()
    }
  }

  /** Ends what waits. @returns why, or undefined if the realm was closed before */
  close(): OrthrusError | undefined {
    if (this.#cause !== undefined) return undefined
    const cause = new OrthrusError('unavailable', 'the realm was closed', { hint: 'call connect again' })
    this.#cause = cause
    this.#end(cause)
    return cause
  }

  #end(cause: OrthrusError): void {
    for (const run of [...this.#waiting]) run(cause)
    this.#waiting.clear()
  }
}
