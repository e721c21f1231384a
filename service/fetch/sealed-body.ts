import { isUint8Array } from 'node:util/types'
import { ReadyReader } from '../../shared/channel/ready-reader.js'
import type { StreamSealer } from '../../shared/channel/sealed-stream.js'
import type { Failure } from '../response/failure.js'
import { NotBytes } from './bounded-reader.js'

export interface SealedBodyOptions {
  /** `null` for a body of no bytes. */
  readonly body: ReadableStream<Uint8Array> | null
  readonly sealer: StreamSealer
  /** What is wrong with a body of so many bytes, which is all of it. */
  faultOf(length: number): string | undefined
  /** Called once, when nothing more is sent. @param failure what was wrong with the body, if that is why */
  onOver(failure: Failure | undefined): void
}

/**
 * Seals the body of a response while its server sends it (docs/protocol.md section 8, Sealed bodies). No more
 * than a record is read ahead of what the server asks for. A body that fails has no end, so that its client takes it for cut off.
 */
export class SealedBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #options: SealedBodyOptions
  readonly #reader: ReadyReader | undefined
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #length = 0
  #isOver = false

  constructor(options: SealedBodyOptions) {
    this.#options = options
    this.#reader = options.body === null ? undefined : new ReadyReader(options.body)
    this.stream = new ReadableStream(
      {
        start: controller => {
          this.#controller = controller
          // The head goes out with it, before the handler has anything to say.
          controller.enqueue(options.sealer.salt as Uint8Array<ArrayBuffer>)
        },
        pull: () => this.#pull(),
        cancel: async reason => {
          if (this.#finish(undefined)) await this.#reader?.cancel(reason).catch(() => {})
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** Cuts it off, unless it is over. */
  end(cause: unknown): void {
    this.#cut(cause, undefined)
  }

  async #pull(): Promise<void> {
    try {
      while (!(await this.#sealOnce())) {}
    } catch (err) {
      this.#cut(err, { reason: 'it threw', err })
    }
  }

  /** @returns whether there was something to send, or the end */
  async #sealOnce(): Promise<boolean> {
    const { sealer } = this.#options
    if (sealer.holds && (await this.#reader?.isReady()) === false) {
      if (!this.#isOver) for (const frame of sealer.seal(NOTHING)) this.#controller.enqueue(frame)
      return true
    }
    const { done = true, value } = (await this.#reader?.read()) ?? {}
    if (this.#isOver) return true
    if (done) {
      this.#close()
      return true
    }
    if (!isUint8Array(value)) throw new NotBytes('a body is a stream of Uint8Array')
    this.#length += value.length
    const frames = sealer.sealWhole(value)
    for (const frame of frames) this.#controller.enqueue(frame)
    return frames.length > 0
  }

  #close(): void {
    const { sealer, faultOf } = this.#options
    const reason = faultOf(this.#length)
    if (reason !== undefined) {
      this.#cut(new TypeError(`the response cannot be proved: ${reason}`), { reason })
      return
    }
    this.#controller.enqueue(sealer.sealEnd())
    this.#finish(undefined)
    this.#controller.close()
  }

  #cut(cause: unknown, failure: Failure | undefined): void {
    if (!this.#finish(failure)) return
    this.#controller.error(cause)
    void this.#reader?.cancel(cause).catch(() => {})
  }

  /** @returns whether it was not over before */
  #finish(failure: Failure | undefined): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#options.onOver(failure)
    return true
  }
}

const NOTHING = new Uint8Array()
