import { requireBytes } from '../../shared/bytes.js'
import type { StreamSealer } from '../../shared/channel/sealed-stream.js'

/** The body of a request, sealed piece by piece as the platform sends it (docs/protocol.md section 8, Sealed bodies). */
export class SealedUpload {
  /** What is sent. Nothing is read ahead of what the platform asks for. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #sealer: StreamSealer
  #failure: { readonly cause: unknown } | undefined

  constructor(body: ReadableStream<Uint8Array>, sealer: StreamSealer) {
    this.#reader = body.getReader()
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
      for (let frames: Uint8Array[] = []; frames.length === 0; ) {
        const { done, value } = await this.#reader.read()
        if (done) {
          controller.enqueue(this.#sealer.sealEnd())
          controller.close()
          return
        }
        requireBytes(value, 'a chunk of the body of the request')
        frames = this.#sealer.seal(value)
        for (const frame of frames) controller.enqueue(frame)
      }
    } catch (cause) {
      this.#failure = { cause }
      void this.cancel(cause)
      throw cause
    }
  }
}
