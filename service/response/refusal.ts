import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Header, ResponseMessage } from '../request/message.js'
import { ResponseBuffer, type ResponseMethods, type ResponseWatcher } from './buffer.js'
import { divert, divertedTo } from './divert.js'
import { clearHeaders } from './headers.js'
import { headersToKeep, renderedRefusal } from './rendered.js'
import type { Done } from './written.js'

/**
 * The methods to send a refusal with, as it is and without a proof. Whatever was written so far is dropped, and so is
 * what is still written.
 */
export function takeOver(res: ServerResponse): ResponseMethods {
  const own = divertedTo(res)?.mute()
  if (own === undefined) return res
  if (!res.headersSent) clearHeaders(res)
  return own
}

/**
 * Whether the application can still answer. A response of HTTP/2, a request of which is never accepted, is another object
 * than those that can be kept.
 */
export function canRender(res: ServerResponse): boolean {
  if (!(res instanceof OutgoingMessage)) return false
  const buffer = divertedTo(res)
  return buffer === undefined ? !res.headersSent && !res.writableEnded : buffer.buffering
}

export interface RenderingOptions {
  /** As it is answered unless the application writes something else. */
  readonly refusal: ResponseMessage
  /** Of what the application writes, bytes. */
  readonly maxBody: number
  /** Called once, with what to send. */
  readonly send: (response: ResponseMessage) => void
  /** The application wrote more than `maxBody`, and the refusal goes out as it is. */
  readonly onOverflow: () => void
}

/**
 * Lets an application write the answer to a refused request. It is kept until it ends, and goes out with the headers of
 * the refusal, whatever was written or removed; and with its status, if what was written would say that all went well.
 */
export class RenderedRefusal implements ResponseWatcher {
  readonly #res: ServerResponse
  readonly #options: RenderingOptions
  readonly #buffer: ResponseBuffer
  #isSent = false

  constructor(res: ServerResponse, options: RenderingOptions) {
    this.#res = res
    this.#options = options
    const before = divertedTo(res)
    this.#buffer = before ?? new ResponseBuffer(res, options.maxBody, this)
    if (before === undefined) divert(res, this.#buffer)
    else before.restart(this)
    if (before !== undefined) clearHeaders(res)
    res.statusCode = options.refusal.status
    res.statusMessage = ''
    for (const [name, value] of headersToKeep(options.refusal)) res.setHeader(name, value)
  }

  /** Whether the application has written anything, or the answer is out. */
  get hasBegun(): boolean {
    return this.#isSent || this.#buffer.hasBegun
  }

  /** The refusal as it is, unless the answer is out. */
  answerPlainly(): void {
    this.#send(this.#options.refusal)
  }

  onStream(): undefined {}

  onEnd(done: Done | undefined): void {
    if (done !== undefined) this.#res.once('finish', done)
    const { status, body } = this.#buffer
    this.#send(renderedRefusal(this.#options.refusal, { status, headers: this.#written(), body }))
  }

  onOverflow(): void {
    this.answerPlainly()
    this.#options.onOverflow()
  }

  #send(response: ResponseMessage): void {
    if (this.#isSent) return
    this.#isSent = true
    this.#options.send(response)
  }

  /** One pair for each line. */
  *#written(): Generator<Header> {
    for (const [name, value] of Object.entries(this.#res.getHeaders())) {
      if (value === undefined) continue
      for (const each of Array.isArray(value) ? value : [String(value)]) yield [name, each]
    }
  }
}
