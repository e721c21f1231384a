import type { ServerResponse } from 'node:http'
import type { StreamSealer } from '../../shared/channel/sealed-stream.js'
import { OrthrusError } from '../../shared/errors.js'
import { hasBody } from '../../shared/http/binding.js'
import { ENCODING_HEADER } from '../../shared/http/header-names.js'
import type { Header } from '../request/message.js'
import { requestFields } from '../request/refuse.js'
import type { AnswerOptions } from './answer-options.js'
import { AttachedState } from './attached-state.js'
import { type BodySink, ResponseBuffer, type ResponseMethods, type ResponseWatcher } from './buffer.js'
import { divert } from './divert.js'
import { encodedFault, FAILED, FAILED_TYPE, type Failure, overflow, responseFault } from './failure.js'
import { clearHeaders, coveredHeaderPairs, coveredTogether } from './headers.js'
import { type ProofOptions, proveRecords, proveResponse, type UnprovedResponse } from './prove.js'
import { SealedResponse } from './sealed-response.js'
import { acceptsSealed, insistsOnSealed, responseSealer } from './sealing.js'
import { sendSealedHead, sendWhole } from './sending.js'
import { restoreHeaders } from './standing-headers.js'
import type { Done } from './written.js'

export interface ResponseProofOptions extends AnswerOptions {
  /** Called once if the response is sealed as it is written, before anything of it is sent. It may still be refused. */
  onStream(): void
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
    return !this.buffer.buffering && !this.buffer.isStreaming
  }

  /** Calls `run`, perhaps twice, when the response is complete, or something else was answered in its place. */
  onceEnded(run: () => void): void {
    this.buffer.onceOver(run)
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

  /** Nobody is left to answer: whatever the handler still does is a consequence of that. */
  abandon(): void {
    this.supersede()
    if (!this.hasEnded) this.buffer.mute()
  }

  /** The handler threw: the log says what, the client gets a proved 500 that does not. */
  threw(err: unknown): void {
    this.#fail({ reason: 'it threw', err })
  }

  onOverflow(): void {
    this.#fail(overflow(this.#options.maxResponse))
  }

  /** The client reads the response as it is written, if it said that it can. */
  onStream(isWhole: boolean): BodySink | undefined {
    const { message, onStream } = this.#options
    const { status } = this.buffer
    if (isWhole ? !this.#isAlwaysSealed(status) : !acceptsSealed(message, status)) return undefined
    onStream()
    // It was refused in place of the handler's response.
    if (this.hasEnded) return undefined
    const announced = this.#res.getHeader('content-length')
    const fault =
      this.#fault(status, announced === undefined ? 0 : Number(announced)) ??
      encodedFault(this.#res.getHeader(ENCODING_HEADER))
    const sealed = fault === undefined ? this.#proveRecords(status) : fault
    if (typeof sealed !== 'string') return this.#startSealed(this.buffer.stream(), status, sealed, announced)
    this.#fail({ reason: sealed })
    return undefined
  }

  onEnd(done: Done | undefined): void {
    const { status, body } = this.buffer
    const proof = this.#fault(status, body.length) ?? this.#prove(status, body)
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
    if (!isConsequence && !this.#isClientGone()) this.#report(failure)
    this.#hasFailed = true
    if (!this.buffer.buffering) {
      const isCut = this.buffer.isStreaming
      if (isCut) this.buffer.mute()
      // If sending failed, nothing has been sent, and nothing unproved may be. A stream without its end is a broken one.
      if (isCut || !this.#res.headersSent) this.#res.destroy()
      return
    }
    const own = this.buffer.mute()
    clearHeaders(this.#res)
    own.setHeader('content-type', FAILED_TYPE)
    this.#res.statusMessage = ''
    // The headers are those just set, so none of them can be doubled or empty.
    if (this.#isAlwaysSealed(500)) {
      this.#startSealed(own, 500, this.#proveRecords(500) as Sealed, undefined).end(FAILED, undefined)
    } else this.#send(own, 500, FAILED, this.#prove(500, FAILED) as Header, undefined)
  }

  /** All of the body was sent, and is not what the head said: without its end its client takes it for cut off. */
  #failAtEnd(reason: string): void {
    this.#report({ reason })
    this.#hasFailed = true
    this.#res.destroy()
  }

  /** Whoever reads a stream goes away when it has enough, and then its handler often throws. */
  #isClientGone(): boolean {
    return this.buffer.isStreaming && this.#res.destroyed
  }

  /** Whether the response is sealed even if the handler writes it in one piece. */
  #isAlwaysSealed(status: number): boolean {
    const { message, covered, sealResponses } = this.#options
    return (sealResponses || insistsOnSealed(covered)) && acceptsSealed(message, status)
  }

  #report({ reason, hint, err }: Failure): void {
    const { message, verified, service } = this.#options
    const { client } = verified
    service.report({ kind: 'response_failed', reason, hint, client, ...requestFields(message), err })
  }

  /** Why the client could not check such a response, or would take it for another one. */
  #fault(status: number, length: number): string | undefined {
    return this.#faultOf(status, length, this.#res.getHeader('content-length'))
  }

  #faultOf(status: number, length: number, announced: Announced): string | undefined {
    return responseFault(this.#options.message.method, {
      status,
      length,
      announced: announced === undefined ? undefined : String(announced),
      hasTrailers: this.buffer.hasTrailers || this.#res.hasHeader('trailer'),
    })
  }

  /** The proof of the response as it is now, or what is wrong with its headers. */
  #prove(status: number, body: Buffer): Header | string {
    return this.#provedOrFault(status, ({ headers }, options) =>
      proveResponse({ status, headers, body }, options),
    )
  }

  #proveRecords(status: number): Sealed | string {
    return this.#provedOrFault(status, (head, options) => {
      const { proof, reply } = proveRecords(head, options)
      return { proof, sealer: responseSealer(options.verified, reply) }
    })
  }

  #provedOrFault<T>(status: number, prove: (head: Head, options: ProofOptions) => T): T | string {
    const { message, verified, service } = this.#options
    restoreHeaders(this.#res, (name, value) => this.buffer.setFixedHeader(name, value))
    const head = { status, headers: coveredHeaderPairs(this.#res, this.#further) }
    try {
      return prove(head, { method: message.method, verified, time: service.clock.now() })
    } catch (cause) {
      if (cause instanceof OrthrusError) return cause.reason
      throw cause
    }
  }

  #send(
    own: ResponseMethods | ResponseBuffer,
    status: number,
    body: Buffer,
    proof: Header,
    done: Done | undefined,
  ): void {
    const { message, verified, service } = this.#options
    if (this.#res.hasHeader(ENCODING_HEADER)) {
      service.report({ kind: 'response_encoded', client: verified.client, ...requestFields(message) })
    }
    const head = { res: this.#res, own, status, proof, further: this.#further }
    sendWhole(head, hasBody(message.method, status) ? body : undefined, done)
  }

  /** Sends the head. @param announced the length of the body that the handler said */
  #startSealed(
    own: ResponseMethods,
    status: number,
    { proof, sealer }: Sealed,
    announced: Announced,
  ): SealedResponse {
    const res = this.#res
    sendSealedHead({ res, own, status, proof, further: this.#further })
    const faultOf = (length: number): string | undefined => this.#faultOf(status, length, announced)
    return new SealedResponse({ res, own, sealer, faultOf, onFault: reason => this.#failAtEnd(reason) })
  }
}

type Announced = number | string | string[] | undefined

type Head = Omit<UnprovedResponse, 'body'>

/** The proof of a response whose body is sealed, and what seals it. */
interface Sealed {
  readonly proof: Header
  readonly sealer: StreamSealer
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
