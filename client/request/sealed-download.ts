import { brokenStream, type StreamOpener } from '../../shared/channel/sealed-stream.js'
import { SilenceWatch } from '../../shared/channel/silence.js'
import { WINDOW } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

export interface DownloadOptions {
  readonly body: ReadableStream<Uint8Array>
  readonly opener: StreamOpener
  readonly clock: Clock
  readonly timers: Timers
  /** Ends the reading, with its reason. */
  readonly signal: AbortSignal
  /** Called once, when nothing more is read. */
  onOver(): void
}

/**
 * The body of a sealed response. Each piece of it is proved before it is read; if the rest is not, reading it fails with
 * `channel_broken` (docs/protocol.md section 8, Sealed bodies). Nothing is read ahead of what the caller asks for.
 */
export function openDownload(options: DownloadOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  const download = new Download(options)
  return new ReadableStream(
    { pull: controller => download.pull(controller), cancel: reason => download.cancel(reason) },
    { highWaterMark: 0 },
  )
}

class Download {
  readonly #options: DownloadOptions
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #silence: SilenceWatch
  #isOver = false
  /** Fails the read that is waited for. */
  #fail: (cause: unknown) => void = () => {}

  constructor(options: DownloadOptions) {
    const { body, clock, timers, signal } = options
    this.#options = options
    this.#reader = body.getReader()
    const onSilence = (): void => this.#fail(brokenStream('nothing came for a minute'))
    this.#silence = new SilenceWatch({ clock, timers, most: WINDOW.BODY, onSilence })
    // The platform's own error for an abort does not always have the reason.
    signal.addEventListener('abort', this.#abort, { once: true })
    this.#silence.pause()
  }

  readonly #abort = (): void => this.#fail(this.#options.signal.reason)

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#silence.resume()
    try {
      while (!(await this.#readOnce(controller))) {}
      this.#silence.pause()
    } catch (cause) {
      this.#finish()
      void this.#reader.cancel(cause).catch(() => {})
      throw cause
    }
  }

  async cancel(reason: unknown): Promise<void> {
    this.#finish()
    await this.#reader.cancel(reason).catch(() => {})
  }

  /** @returns whether there was something to hand on, or the end */
  async #readOnce(controller: ReadableStreamDefaultController<Uint8Array>): Promise<boolean> {
    const { opener } = this.#options
    const { done, value } = await this.#read()
    if (done) {
      opener.requireEnded()
      this.#finish()
      controller.close()
      return true
    }
    let hasPayload = false
    opener.open(value, payload => {
      hasPayload = true
      this.#silence.heard()
      controller.enqueue(payload)
    })
    return hasPayload
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const { signal } = this.#options
    signal.throwIfAborted()
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    try {
      return await Promise.race([this.#reader.read(), failed])
    } catch (cause) {
      signal.throwIfAborted()
      throw cause instanceof OrthrusError ? cause : brokenStream('it was cut off', cause)
    } finally {
      this.#fail = () => {}
    }
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#silence.stop()
    this.#options.signal.removeEventListener('abort', this.#abort)
    this.#options.onOver()
  }
}
