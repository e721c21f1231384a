import type { IncomingMessage } from 'node:http'
import { brokenStream } from '../../shared/channel/sealed-stream.js'
import { SilenceWatch } from '../../shared/channel/silence.js'
import { WINDOW } from '../../shared/constants.js'
import { ENCODING_HEADER } from '../../shared/http/header-names.js'
import type { EndStream, UnsealOptions } from '../request/message.js'

/**
 * Lets a request with a sealed body be read like any other (docs/protocol.md section 8, Sealed bodies). What Node's parser
 * pushes into the request is opened first, so that the request's own buffer, and the backpressure that it makes, are of
 * what the handler reads.
 */
export function unsealBody(req: IncomingMessage, options: UnsealOptions): EndStream {
  hideSealing(req)
  const body = new UnsealedBody(req, options)
  body.begin()
  return cause => body.end(cause)
}

type Chunk = Buffer | null

class UnsealedBody {
  readonly #req: IncomingMessage
  readonly #options: UnsealOptions
  readonly #silence: SilenceWatch
  /** Not bound: they are called on the request. */
  readonly #own: { push(chunk: Chunk): boolean; read(size: number): void }
  /** Of all that was handed on, bytes. */
  #opened = 0
  #isOver = false

  constructor(req: IncomingMessage, options: UnsealOptions) {
    this.#req = req
    this.#options = options
    this.#own = { push: req.push, read: req._read }
    const { clock, timers } = options
    const onSilence = (): void => this.end(brokenStream('nothing came for a minute'))
    this.#silence = new SilenceWatch({ clock, timers, most: WINDOW.BODY, onSilence })
  }

  begin(): void {
    const req = this.#req
    // Exactly what is there: a read past the end would make Node emit 'end' before anybody listens.
    const held: Chunk = req.readableLength > 0 ? req.read(req.readableLength) : null
    req.once('close', () => this.#closed())
    req.push = (chunk: Chunk) => this.#push(chunk)
    req._read = size => {
      this.#silence.resume()
      this.#own.read.call(req, size)
    }
    // Servers that make fetch Requests ask Node whether a body was read, and would take this one as used up.
    Object.defineProperty(req, 'readableDidRead', {
      configurable: true,
      get: () => req.readableLength !== this.#opened || req.readableEnded,
    })
    if (req.destroyed) this.#closed()
    else if (req.complete) this.#putBack(held)
    else if (held !== null) this.#push(held)
  }

  /** Whoever reads the request gets an error, and its connection ends: an answer to half a request would be taken for one. */
  end(cause: Error): void {
    if (this.#isOver) return
    this.#finish()
    this.#options.onBroken(cause)
    this.#req.destroy(cause)
  }

  /** @returns whether more is wanted */
  #push(chunk: Chunk): boolean {
    const { push } = this.#own
    const req = this.#req
    if (this.#isOver) return push.call(req, chunk === null ? null : NOTHING)
    try {
      if (chunk === null) return this.#pushEnd()
      // It also tells the stream that its last question was answered, if no record is complete yet.
      let isMoreWanted = push.call(req, NOTHING)
      this.#options.opener.open(chunk, payload => {
        isMoreWanted = push.call(req, this.#handOn(payload))
      })
      if (!isMoreWanted) this.#silence.pause()
      return isMoreWanted
    } catch (cause) {
      this.end(cause as Error)
      return false
    }
  }

  #pushEnd(): boolean {
    const { push } = this.#own
    // Node drops the body of a request that was answered and that nobody reads.
    if (Reflect.get(this.#req, '_dumped') !== true) this.#requireWhole()
    this.#finish()
    return push.call(this.#req, null)
  }

  /** All of it came before the request was accepted. After the end of a stream nothing can be pushed any more. */
  #putBack(held: Chunk): void {
    const payloads: Buffer[] = []
    try {
      if (held !== null) this.#options.opener.open(held, payload => payloads.push(this.#handOn(payload)))
      this.#requireWhole()
    } catch (cause) {
      this.end(cause as Error)
      return
    }
    this.#finish()
    if (payloads.length > 0) this.#req.unshift(Buffer.concat(payloads))
  }

  #handOn(payload: Uint8Array): Buffer {
    this.#silence.heard()
    this.#opened += payload.length
    return Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  }

  #requireWhole(): void {
    this.#options.opener.requireEnded()
    if (this.#req.rawTrailers.length > 0) throw brokenStream('trailers follow it')
  }

  #closed(): void {
    if (this.#isOver) return
    this.#finish()
    this.#options.onBroken(undefined)
  }

  #finish(): void {
    this.#isOver = true
    this.#silence.stop()
    this.#options.onOver()
  }
}

const NOTHING = Buffer.alloc(0)
const HIDDEN: readonly string[] = [ENCODING_HEADER, 'content-length']
const TRANSFER = 'transfer-encoding'
const CHUNKED = 'chunked'

/** What reads bodies must not take the opened one for a sealed one, nor expect the length that it had. */
function hideSealing(req: IncomingMessage): void {
  // Node makes both of them from the raw headers, when they are first asked for.
  const { headers, headersDistinct, rawHeaders } = req
  const isChunked = headers[TRANSFER] !== undefined
  for (const name of HIDDEN) {
    delete headers[name]
    delete headersDistinct[name]
  }
  req.rawHeaders = rawHeaders.filter(
    (_, i) => !HIDDEN.includes((rawHeaders[i - (i % 2)] as string).toLowerCase()),
  )
  if (isChunked) return
  // Without a length, this is what says that there is a body.
  req.rawHeaders.push('Transfer-Encoding', CHUNKED)
  headers[TRANSFER] = CHUNKED
  headersDistinct[TRANSFER] = [CHUNKED]
}
