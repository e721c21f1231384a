import { WINDOW } from '../constants.js'
import { OrthrusError } from '../errors.js'
import type { Clock } from '../time.js'
import type { Timers } from '../timers.js'
import { brokenStream, type StreamOpener } from './sealed-stream.js'
import { SilenceWatch } from './silence.js'

export interface OpenedBodyOptions {
  readonly body: ReadableStream<Uint8Array>
  readonly opener: StreamOpener
  readonly clock: Clock
  readonly timers: Timers
  /** Whether the rest of a body that its reader does not want is left unread, and not cancelled. Default false. */
  readonly leavesRest?: boolean
  /** Called once, when nothing more is read. */
  onOver(): void
  /**
   * Reading it failed. Called behind `onOver`.
   * @param isCut whether the other side, or what lies between, went away
   */
  onBroken?(cause: unknown, isCut: boolean): void
}

type Controller = ReadableStreamDefaultController<Uint8Array>

/**
 * A sealed body, opened as it is read. Each piece of it is proved before it is read; if the rest is not, reading it fails
 * with `channel_broken` (docs/protocol.md section 8, Sealed bodies). Nothing is read ahead of what the reader asks for.
 */
export class OpenedBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #options: OpenedBodyOptions
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #silence: SilenceWatch
  #controller!: Controller
  #reads = 0
  #isOver = false

  constructor(options: OpenedBodyOptions) {
    const { body, clock, timers } = options
    this.#options = options
    this.#reader = body.getReader()
    const onSilence = (): void => this.end(brokenStream('nothing came for a minute'))
    this.#silence = new SilenceWatch({ clock, timers, most: WINDOW.BODY, onSilence })
    this.#silence.pause()
    this.stream = new ReadableStream(
      {
        start: controller => {
          this.#controller = controller
        },
        pull: () => this.#pull(),
        cancel: reason => this.#cancel(reason),
      },
      { highWaterMark: 0 },
    )
  }

  /** How often it was read. */
  get reads(): number {
    return this.#reads
  }

  /** Whoever reads it fails with this, unless it is over. */
  end(cause: unknown): void {
    this.#break(cause, false)
  }

  /** Nobody will read it. Whoever does nevertheless fails with `channel_broken`. */
  leave(): void {
    if (this.#isOver) return
    this.#finish()
    this.#controller.error(brokenStream('what it belongs to is over'))
    this.#reader.releaseLock()
  }

  async #pull(): Promise<void> {
    this.#reads++
    this.#silence.resume()
    while (!(await this.#readOnce())) {}
    this.#silence.pause()
  }

  /** @returns whether there was something to hand on, or the end */
  async #readOnce(): Promise<boolean> {
    try {
      const read = await this.#reader.read()
      return this.#isOver || this.#take(read)
    } catch (cause) {
      const isCut = !(cause instanceof OrthrusError)
      this.#break(isCut ? brokenStream('it was cut off', cause) : cause, isCut)
      return true
    }
  }

  /** @throws OrthrusError `channel_broken` */
  #take({ done, value }: ReadableStreamReadResult<Uint8Array>): boolean {
    const { opener } = this.#options
    if (done) {
      opener.requireEnded()
      this.#finish()
      this.#controller.close()
      return true
    }
    let hasPayload = false
    opener.open(value, payload => {
      hasPayload = true
      this.#silence.heard()
      this.#controller.enqueue(payload)
    })
    return hasPayload
  }

  async #cancel(reason: unknown): Promise<void> {
    if (this.#isOver) return
    this.#finish()
    if (this.#options.leavesRest) this.#reader.releaseLock()
    else await this.#reader.cancel(reason).catch(() => {})
  }

  #break(cause: unknown, isCut: boolean): void {
    if (this.#isOver) return
    this.#finish()
    this.#controller.error(cause)
    void this.#reader.cancel(cause).catch(() => {})
    this.#options.onBroken?.(cause, isCut)
  }

  #finish(): void {
    this.#isOver = true
    this.#silence.stop()
    this.#options.onOver()
  }
}
