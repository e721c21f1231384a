/** How many turns of promises a stream has to hand over what it has already. One that waits for its source takes longer. */
const TURNS = 8

/** Reads a stream, and tells whether it has more to read without waiting for it. */
export class ReadyReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #next: Promise<ReadableStreamReadResult<Uint8Array>> | undefined

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader()
  }

  read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const next = this.#next ?? this.#reader.read()
    this.#next = undefined
    return next
  }

  /** Whether `read` has its result at once: the next chunk, the end, or a failure. */
  async isReady(): Promise<boolean> {
    this.#next ??= this.#reader.read()
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    this.#next.then(settle, settle)
    for (let turn = 0; turn < TURNS && !isSettled; turn++) await undefined
    return isSettled
  }

  cancel(reason?: unknown): Promise<void> {
    return this.#reader.cancel(reason)
  }
}
