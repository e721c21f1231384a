import type { DispatchController, DispatchHandler } from './dispatching.js'

/** One exchange of an agent, as undici's handlers see it. They are told nothing of an answer before it is proved. */
export class Exchange implements DispatchController {
  /** As undici's own: names and values in turn, before the handler is told of the answer. */
  rawHeaders: Uint8Array[] | null = null
  readonly #handler: DispatchHandler
  readonly #ending = new AbortController()
  #paused = false
  #wake = (): void => {}

  constructor(handler: DispatchHandler) {
    this.#handler = handler
  }

  get aborted(): boolean {
    return this.#ending.signal.aborted
  }

  get reason(): Error | null {
    return this.#ending.signal.reason ?? null
  }

  get paused(): boolean {
    return this.#paused
  }

  abort(reason?: Error): void {
    this.#ending.abort(reason)
    this.#wake()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#wake()
  }

  /** Tells the handler how it goes. What a handler throws ends the exchange, as in undici. */
  async run(fetch: (signal: AbortSignal) => Promise<Response>): Promise<void> {
    try {
      this.#handler.onRequestStart?.(this, undefined)
      await this.#tell(await fetch(this.#ending.signal))
      // No trailer is proved.
      this.#handler.onResponseEnd?.(this, {})
    } catch (cause) {
      this.#handler.onResponseError?.(this, cause as Error)
    }
  }

  async #tell(response: Response): Promise<void> {
    const reader = response.body?.getReader()
    try {
      this.#tellHead(response)
      for (;;) {
        const read = await reader?.read()
        await this.#going()
        if (read === undefined || read.done) return
        const { buffer, byteOffset, byteLength } = read.value
        this.#handler.onResponseData?.(this, Buffer.from(buffer, byteOffset, byteLength))
      }
    } catch (cause) {
      void reader?.cancel(cause).catch(() => {})
      throw cause
    }
  }

  /** No proof covers the status text, so it is empty. */
  #tellHead({ status, headers }: Response): void {
    const handler = this.#handler
    this.rawHeaders = [...headers].flat().map(text => Buffer.from(text, 'latin1'))
    const cookies = headers.getSetCookie()
    // undici's other form would give the fetch of Node 20 a list of them, which it joins into one.
    if (cookies.length > 1 && handler.onHeaders !== undefined) {
      const goesOn = handler.onHeaders(status, this.rawHeaders, () => this.resume(), '')
      if (goesOn === false) this.pause()
      return
    }
    const all: Record<string, string | string[]> = Object.fromEntries(headers)
    if (cookies.length > 1) all['set-cookie'] = cookies
    handler.onResponseStart?.(this, status, all, '')
  }

  /** Waits while the handler takes nothing. @throws the reason of an abort */
  async #going(): Promise<void> {
    const { signal } = this.#ending
    signal.throwIfAborted()
    while (this.#paused) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      signal.throwIfAborted()
    }
  }
}
