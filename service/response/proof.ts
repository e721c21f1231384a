import type { IncomingMessage, ServerResponse } from 'node:http'
import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import { createApReply } from '../../shared/exchange/ap.js'
import { responseBinding } from '../../shared/http/binding.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import type { Logger } from '../../shared/logger.js'
import type { Clock } from '../../shared/time.js'
import { AttachedState } from './attached-state.js'
import { type Done, ResponseBuffer, type ResponseMethods, type ResponseWatcher } from './buffer.js'
import { clearHeaders, coveredHeaderPairs } from './headers.js'

export interface ResponseProofOptions {
  readonly verified: VerifiedRequest
  readonly clock: Clock
  readonly logger: Logger
  /** Bytes. */
  readonly maxResponse: number
}

const NO_BODY = Buffer.alloc(0)
const FAILED = Buffer.from('internal error\n')

/**
 * The methods to send a refusal with, as it is and without a proof. Whatever was written so far is dropped, and
 * whoever still writes writes into nothing.
 */
export function takeOver(res: ServerResponse): ResponseMethods {
  const own = Proven.proofOf(res)?.buffer.mute()
  if (own === undefined) return res
  if (!res.headersSent) clearHeaders(res)
  return own
}

/** The proof of a response, which has one at the most. */
export function proofFor(req: IncomingMessage, res: ServerResponse, options: ResponseProofOptions): Proof {
  return Proven.proofOf(res) ?? new Proof(req, res, options)
}

/** The service's side of "both proved": one AP-REP over the response as it goes out. */
export class Proof implements ResponseWatcher {
  readonly buffer: ResponseBuffer
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #options: ResponseProofOptions

  constructor(req: IncomingMessage, res: ServerResponse, options: ResponseProofOptions) {
    this.#req = req
    this.#res = res
    this.#options = options
    this.buffer = new ResponseBuffer(res, options.maxResponse, this)
    new Proven(res, this)
  }

  /** The handler failed: the log says how, the client gets a proved 500 that does not. */
  fail(reason: string, cause?: unknown): void {
    const { logger, verified } = this.#options
    const { method, url: target } = this.#req
    const fields = { method, path: target?.split('?', 1)[0], client: verified.client, err: cause }
    logger.error(fields, `a handler failed: ${reason}`)
    if (!this.buffer.buffering) {
      // What failed was the sending: nothing has gone out, and nothing may that is not proved.
      if (!this.#res.headersSent) this.#res.destroy()
      return
    }
    const own = this.buffer.mute()
    clearHeaders(this.#res)
    own.setHeader('content-type', 'text/plain; charset=utf-8')
    this.#res.statusMessage = ''
    // The headers are those just set: nothing of them can be doubled or empty.
    this.#send(own, 500, FAILED, this.#bind(500, FAILED) as Uint8Array, undefined)
  }

  onOverflow(): void {
    this.fail(`the response is larger than ${this.#options.maxResponse} bytes`)
  }

  onEnd(done: Done | undefined): void {
    const { status, body } = this.buffer
    const bound = this.#fault(status, body) ?? this.#bind(status, body)
    if (typeof bound === 'string') {
      this.fail(bound)
    } else {
      this.buffer.release()
      this.#send(this.buffer, status, body, bound, done)
    }
  }

  /** What a response must not be, since its client could not check it or would take it for another. */
  #fault(status: number, body: Buffer): string | undefined {
    if (this.buffer.hasTrailers || this.#res.hasHeader('trailer')) return 'trailers, which nothing covers'
    const announced = this.#res.getHeader('content-length')
    if (this.#hasBody(status) && announced !== undefined && Number(announced) !== body.length) {
      return `content-length is ${announced}, the body has ${body.length} bytes`
    }
    return undefined
  }

  /** The binding of the response as it stands, or what is wrong with its headers. */
  #bind(status: number, body: Buffer): Uint8Array | string {
    try {
      const covered = this.#hasBody(status) ? body : NO_BODY
      return responseBinding(status, coveredHeaderPairs(this.#res), covered)
    } catch (cause) {
      if (cause instanceof OrthrusError) return cause.reason
      throw cause
    }
  }

  #hasBody(status: number): boolean {
    return this.#req.method !== 'HEAD' && status !== 204 && status !== 304
  }

  /** @param binding of what is sent: none of the headers set here is covered. */
  #send(
    own: ResponseMethods | ResponseBuffer,
    status: number,
    body: Buffer,
    binding: Uint8Array,
    done: Done | undefined,
  ): void {
    const { verified, clock, logger } = this.#options
    const hasBody = this.#hasBody(status)
    own.removeHeader('transfer-encoding')
    if (hasBody) own.setHeader('content-length', body.length)
    else if (status === 204) own.removeHeader('content-length')
    if (this.#res.hasHeader('content-encoding')) {
      logger.warn({ client: verified.client }, 'a response with content-encoding: Orthrus clients refuse it')
    }
    const reply = createApReply(verified.key, verified.request.mac, { time: clock.now(), binding })
    own.setHeader('authentication-info', formatMessageHeader(reply))
    own.writeHead(status)
    if (hasBody && body.length > 0) own.end(body, done)
    else own.end(done)
  }
}

/** The proof of a response, kept on the response itself. */
class Proven extends AttachedState {
  readonly #proof: Proof

  constructor(res: ServerResponse, proof: Proof) {
    super(res)
    this.#proof = proof
  }

  static proofOf(res: ServerResponse): Proof | undefined {
    return #proof in res ? res.#proof : undefined
  }
}
