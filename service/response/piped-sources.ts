import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'

/** The streams that pipe into a response, which would stay open for ever, with their files, once it takes nothing. */
export class PipedSources {
  readonly #response: ServerResponse
  #open: Set<Readable> | undefined

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get size(): number {
    return this.#open?.size ?? 0
  }

  add(source: Readable): void {
    this.#open = (this.#open ?? new Set()).add(source)
  }

  remove(source: Readable): void {
    this.#open?.delete(source)
  }

  /** Has none of them write any more. They stay open. */
  unpipe(): void {
    for (const source of this.#open ?? []) source.unpipe(this.#response)
  }

  closeAll(): void {
    for (const source of this.#open ?? []) this.close(source)
  }

  /** Waits until the response is out: `pipeline` destroys the connection if a source closes early. */
  close(source: Readable): void {
    if (this.#response.closed || this.#response.destroyed) source.destroy()
    else this.#response.once('close', () => source.destroy())
  }
}
