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

  /**
   * Runs the function with a signal that is aborted when `signal` is, and when the realm is closed.
   * @param run `prolong` keeps the signal in force, behind the end of the function, until what it returns is called
   */
  async during<T>(
    signal: AbortSignal,
    run: (signal: AbortSignal, prolong: () => () => void) => Promise<T>,
  ): Promise<T> {
    const ending = new AbortController()
    const abort = (): void => ending.abort(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const forget = this.whenClosed(cause => ending.abort(cause))
    const users = new Set<object>()
    const use = (): (() => void) => {
      const user = {}
      users.add(user)
      return () => {
        if (!users.delete(user) || users.size > 0) return
        signal.removeEventListener('abort', abort)
        forget()
      }
    }
    const release = use()
    try {
      return await run(ending.signal, use)
    } finally {
      release()
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
