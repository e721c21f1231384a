import { requireBytes } from '../../shared/bytes.js'
import { ReadyReader } from '../../shared/channel/ready-reader.js'
import type { StreamSealer } from '../../shared/channel/sealed-stream.js'

/** The body of a request, sealed piece by piece as the platform sends it (docs/protocol.md section 8, Sealed bodies). */
export class SealedUpload {
  /** What is sent. No more than a record is read ahead of what the platform asks for. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #reader: ReadyReader
  readonly #sealer: StreamSealer
  #failure: { readonly cause: unknown } | undefined

  constructor(body: ReadableStream<Uint8Array>, sealer: StreamSealer) {
    this.#reader = new ReadyReader(body)
    this.#sealer = sealer
    this.stream = new ReadableStream(
      {
        start: controller => controller.enqueue(sealer.salt as Uint8Array<ArrayBuffer>),
        pull: controller => this.#pull(controller),
        cancel: reason => this.cancel(reason),
      },
      { highWaterMark: 0 },
    )
  }

  /** What the caller's own stream failed with, or a chunk that is not bytes. */
  get failure(): { readonly cause: unknown } | undefined {
    return this.#failure
  }

  /** Nobody wants the rest of it. */
  async cancel(reason?: unknown): Promise<void> {
    await this.#reader.cancel(reason).catch(() => {})
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      while (!(await this.#sealOnce(controller))) {}
    } catch (cause) {
      this.#failure = { cause }
      void this.cancel(cause)
      throw cause
    }
  }

  /** What does not fill a record waits for more, if there is more. @returns whether there was something to send, or the end */
  async #sealOnce(controller: ReadableStreamDefaultController<Uint8Array>): Promise<boolean> {
    if (this.#sealer.holds && !(await this.#reader.isReady())) {
      for (const frame of this.#sealer.seal(NOTHING)) controller.enqueue(frame)
      return true
    }
    const { done, value } = await this.#reader.read()
    if (done) {
      controller.enqueue(this.#sealer.sealEnd())
      controller.close()
      return true
    }
    requireBytes(value, 'a chunk of the body of the request')
    const frames = this.#sealer.sealWhole(value)
    for (const frame of frames) controller.enqueue(frame)
    return frames.length > 0
  }
}

const NOTHING = new Uint8Array()
