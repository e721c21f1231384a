import type { ServerResponse } from 'node:http'
import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import { hasBody } from '../../shared/http/binding.js'
import type { Header, RequestMessage } from '../request/message.js'
import { requestFields } from '../request/refuse.js'
import type { ServiceParts } from '../request/service.js'
import { AttachedState } from './attached-state.js'
import { type Done, ResponseBuffer, type ResponseMethods, type ResponseWatcher } from './buffer.js'
import { divert } from './divert.js'
import { FAILED, FAILED_TYPE, type Failure, overflow, responseFault } from './failure.js'
import { clearHeaders, coveredHeaderPairs, coveredTogether, nameFurther } from './headers.js'
import { proveResponse } from './prove.js'
import { restoreHeaders } from './standing-headers.js'

export interface ResponseProofOptions {
  /** The request as it came. */
  readonly message: RequestMessage
  readonly verified: VerifiedRequest
  readonly service: ServiceParts
  /** Further headers that are covered, in lower case and ascending order. */
  readonly coverResponse: readonly string[]
  /** Bytes. */
  readonly maxResponse: number
}

/** The proof of a response. There is at most one. */
export function proofFor(res: ServerResponse, options: ResponseProofOptions): Proof {
  return ProofState.of(res) ?? new Proof(res, options)
}

/** Proves a response of `node:http` as it goes out, or sends a proved 500 in place of one that cannot be proved. */
export class Proof implements ResponseWatcher {
  readonly buffer: ResponseBuffer
  readonly #res: ServerResponse
  readonly #options: ResponseProofOptions
  #further: readonly string[]
  #hasFailed = false

  constructor(res: ServerResponse, options: ResponseProofOptions) {
    this.#res = res
    this.#options = options
    this.#further = options.coverResponse
    this.buffer = new ResponseBuffer(res, options.maxResponse, this)
    divert(res, this.buffer)
    new ProofState(res, this)
  }

  /** Whether the response is complete, or a failure was answered in its place. */
  get hasEnded(): boolean {
    return !this.buffer.buffering
  }

  /**
   * Covers these as well, which another gate before the handler names.
   * @param further as `furtherHeadersOf` returns them
   * @throws TypeError if they are more than 32 together
   */
  cover(further: readonly string[]): void {
    this.#further = coveredTogether(this.#further, further)
  }

  /** Something else answers in the handler's place: what the handler still throws is a consequence of that. */
  supersede(): void {
    this.#hasFailed = true
  }

  /** The handler threw: the log says what, the client gets a proved 500 that does not. */
  threw(err: unknown): void {
    this.#fail({ reason: 'it threw', err })
  }

  onOverflow(): void {
    this.#fail(overflow(this.#options.maxResponse))
  }

  onEnd(done: Done | undefined): void {
    const { status, body } = this.buffer
    const proof = this.#fault(status, body) ?? this.#prove(status, body)
    if (typeof proof === 'string') {
      this.#fail({ reason: proof })
    } else {
      this.buffer.release()
      this.#send(this.buffer, status, body, proof, done)
    }
  }

  /** A failure is reported once, but not its consequences: a stream that was stopped makes its handler throw. */
  #fail(failure: Failure): void {
    const isConsequence = this.#hasFailed && !this.buffer.buffering
    if (!isConsequence) this.#report(failure)
    this.#hasFailed = true
    if (!this.buffer.buffering) {
      // If sending failed, nothing has been sent, and nothing unproved may be.
      if (!this.#res.headersSent) this.#res.destroy()
      return
    }
    const own = this.buffer.mute()
    clearHeaders(this.#res)
    own.setHeader('content-type', FAILED_TYPE)
    this.#res.statusMessage = ''
    // The headers are those just set, so none of them can be doubled or empty.
    this.#send(own, 500, FAILED, this.#prove(500, FAILED) as Header, undefined)
  }

  #report({ reason, hint, err }: Failure): void {
    const { message, verified, service } = this.#options
    const { client } = verified
    service.report({ kind: 'response_failed', reason, hint, client, ...requestFields(message), err })
  }

  /** Why the client could not check such a response, or would take it for another one. */
  #fault(status: number, body: Buffer): string | undefined {
    const announced = this.#res.getHeader('content-length')
    return responseFault(this.#options.message.method, {
      status,
      length: body.length,
      announced: announced === undefined ? undefined : String(announced),
      hasTrailers: this.buffer.hasTrailers || this.#res.hasHeader('trailer'),
    })
  }

  /** The proof of the response as it is now, or what is wrong with its headers. */
  #prove(status: number, body: Buffer): Header | string {
    const { message, verified, service } = this.#options
    restoreHeaders(this.#res, (name, value) => this.buffer.setFixedHeader(name, value))
    const response = { status, headers: coveredHeaderPairs(this.#res, this.#further), body }
    try {
      return proveResponse(response, { method: message.method, verified, time: service.clock.now() })
    } catch (cause) {
      if (cause instanceof OrthrusError) return cause.reason
      throw cause
    }
  }

  #hasBody(status: number): boolean {
    return hasBody(this.#options.message.method, status)
  }

  /** @param proof of what is sent: no header that is set here is covered. */
  #send(
    own: ResponseMethods | ResponseBuffer,
    status: number,
    body: Buffer,
    proof: Header,
    done: Done | undefined,
  ): void {
    const { message, verified, service } = this.#options
    const hasBody = this.#hasBody(status)
    nameFurther(own, this.#further)
    own.removeHeader('transfer-encoding')
    if (hasBody) own.setHeader('content-length', body.length)
    else if (status === 204) own.removeHeader('content-length')
    if (this.#res.hasHeader('content-encoding')) {
      service.report({ kind: 'response_encoded', client: verified.client, ...requestFields(message) })
    }
    own.setHeader(proof[0], proof[1])
    own.writeHead(status)
    if (hasBody && body.length > 0) own.end(body, done)
    else own.end(done)
  }
}

/** The proof of a response, kept on the response itself. */
class ProofState extends AttachedState {
  readonly #proof: Proof

  constructor(res: ServerResponse, proof: Proof) {
    super(res)
    this.#proof = proof
  }

  static of(res: ServerResponse): Proof | undefined {
    return #proof in res ? res.#proof : undefined
  }
}
