import { OrthrusError } from '../../shared/errors.js'
import { hasBody } from '../../shared/http/binding.js'
import { formatFurtherHeaders } from '../../shared/http/further-option.js'
import { ENCODING_HEADER, FURTHER_HEADER, SEALED_ENCODING } from '../../shared/http/header-names.js'
import type { Header } from '../request/message.js'
import { requestFields } from '../request/refuse.js'
import type { AnswerOptions } from '../response/answer-options.js'
import {
  encodedFault,
  FAILED,
  FAILED_TYPE,
  type Failure,
  overflow,
  responseFault,
} from '../response/failure.js'
import { coveredTogether } from '../response/headers.js'
import { proveRecords, proveResponse } from '../response/prove.js'
import { acceptsSealed, insistsOnSealed, responseSealer } from '../response/sealing.js'
import { collectBounded } from './bounded-reader.js'
import { headersWith } from './cors.js'
import { SealedBody } from './sealed-body.js'
import { isResponse } from './web-response.js'

export interface ResponderOptions extends AnswerOptions {
  /** What the response has, whatever becomes of it. */
  readonly standing: readonly Header[]
}

/** Follows a response that is sealed while it is sent. */
export interface StreamWatcher {
  /** Before anything is sealed. It may still be refused. */
  onStream(): void
  onSealed(body: SealedBody): void
  onOver(): void
}

const NO_BODY = new Uint8Array()
/** Some servers name a type of their own where there is none, and would change what is proved. */
const UNKNOWN_TYPE = 'application/octet-stream'

/**
 * Nobody is left to read it, or nobody may take it for an answer. The status is what other servers log in the first case.
 */
export function abortedResponse(): Response {
  return new Response(null, { status: 499 })
}

/** Makes of what a handler answers a proved response, or a proved 500 in place of one that cannot be proved. */
export class Responder {
  readonly #options: ResponderOptions
  #further: readonly string[]
  #standing: readonly Header[]

  constructor(options: ResponderOptions) {
    this.#options = options
    this.#further = options.coverResponse
    this.#standing = options.standing
  }

  /** What the response has, whatever becomes of it. */
  get standing(): readonly Header[] {
    return this.#standing
  }

  /** As a gate further in has it, unless this one said so. */
  keepHeaders(standing: readonly Header[]): void {
    if (this.#standing.length === 0) this.#standing = standing
  }

  /**
   * Covers these as well, which a gate further in names.
   * @param further as `furtherHeadersOf` returns them
   * @throws TypeError if they are more than 32 together
   */
  cover(further: readonly string[]): void {
    this.#further = coveredTogether(this.#further, further)
  }

  /** The handler threw: the log says what, the client gets a proved 500 that does not. */
  threw(err: unknown, watcher: StreamWatcher): Response {
    return this.#failed({ reason: 'it threw', err }, watcher)
  }

  #failed(failure: Failure, watcher: StreamWatcher): Response {
    this.#report(failure)
    const head = { status: 500, headers: { 'content-type': FAILED_TYPE } }
    if (this.#isAlwaysSealed(500)) return this.#sealed(new Response(FAILED, head), watcher)
    return this.#proved(new Response(null, head), FAILED)
  }

  #report({ reason, hint, err }: Failure): void {
    const { message, verified, service } = this.#options
    const { client } = verified
    service.report({ kind: 'response_failed', reason, hint, client, ...requestFields(message), err })
  }

  /**
   * @param stop ends the reading of a response that is collected, which then fails
   * @throws unknown what its stream fails with
   */
  async respond(response: Response, stop: AbortSignal, watcher: StreamWatcher): Promise<Response> {
    if (!isResponse(response)) return this.#failed({ reason: 'it returned no Response' }, watcher)
    if (response.bodyUsed || response.body?.locked) {
      return this.#failed({ reason: 'the body of its response was read before' }, watcher)
    }
    try {
      const made = this.#isSealed(response)
        ? this.#seal(response, watcher)
        : await this.#whole(response, stop)
      return 'reason' in made ? this.#failed(made, watcher) : made
    } catch (cause) {
      if (cause instanceof OrthrusError) return this.#failed({ reason: cause.reason }, watcher)
      throw cause
    }
  }

  /** The body of every Response is a stream, so that all that have one are sealed for those that read it so. */
  #isSealed({ status, body }: Response): boolean {
    if (body === null) return this.#isAlwaysSealed(status)
    return acceptsSealed(this.#options.message, status)
  }

  /** Whether a response without a body is sealed too. */
  #isAlwaysSealed(status: number): boolean {
    const { message, covered, sealResponses } = this.#options
    return (sealResponses || insistsOnSealed(covered)) && acceptsSealed(message, status)
  }

  /** @throws OrthrusError `malformed` if a covered header is doubled or empty */
  #seal(response: Response, watcher: StreamWatcher): Response | Failure {
    watcher.onStream()
    const { headers } = response
    const announced = headers.get('content-length')
    const fault =
      this.#fault(response, announced === null ? 0 : Number(announced)) ??
      encodedFault(headers.get(ENCODING_HEADER) ?? undefined)
    if (fault === undefined) return this.#sealed(response, watcher)
    void response.body?.cancel().catch(() => {})
    return { reason: fault }
  }

  #sealed(response: Response, watcher: StreamWatcher): Response {
    const { message, verified, service } = this.#options
    const { status, statusText } = response
    const headers = this.#headersOf(response)
    if (!headers.has('content-type')) headers.set('content-type', UNKNOWN_TYPE)
    const options = { method: message.method, verified, time: service.clock.now() }
    const { proof, reply } = proveRecords({ status, headers }, options)
    headers.delete('content-length')
    headers.set(ENCODING_HEADER, SEALED_ENCODING)
    headers.set(proof[0], proof[1])
    const body = new SealedBody({
      body: response.body,
      sealer: responseSealer(verified, reply),
      faultOf: length => this.#fault(response, length),
      onOver: failure => {
        if (failure !== undefined) this.#report(failure)
        watcher.onOver()
      },
    })
    watcher.onSealed(body)
    return new Response(body.stream, { status, statusText, headers })
  }

  async #whole(response: Response, stop: AbortSignal): Promise<Response | Failure> {
    const body = await this.#collect(response, stop)
    if (body === undefined) return overflow(this.#options.maxResponse)
    const reason = this.#fault(response, body.length)
    return reason === undefined ? this.#proved(response, body) : { reason }
  }

  /** Why the client could not check such a response, or would take it for another one. */
  #fault({ status, headers }: Response, length: number): string | undefined {
    return responseFault(this.#options.message.method, {
      status,
      length,
      announced: headers.get('content-length') ?? undefined,
      hasTrailers: headers.has('trailer'),
    })
  }

  /** @returns `undefined` if it is larger than a response may be */
  async #collect({ status, body }: Response, stop: AbortSignal): Promise<Uint8Array | undefined> {
    if (body === null) return NO_BODY
    if (!hasBody(this.#options.message.method, status)) {
      await body.cancel()
      return NO_BODY
    }
    const reader = body.getReader()
    const cancel = (): void => void reader.cancel(stop.reason).catch(() => {})
    stop.addEventListener('abort', cancel, { once: true })
    try {
      const bytes = await collectBounded(reader, this.#options.maxResponse)
      if (bytes === undefined) cancel()
      return bytes
    } finally {
      stop.removeEventListener('abort', cancel)
    }
  }

  /** @throws OrthrusError `malformed` if a covered header is doubled or empty */
  #proved(response: Response, body: Uint8Array): Response {
    const { message, verified, service } = this.#options
    const { method } = message
    const { status, statusText } = response
    const headers = this.#headersOf(response)
    if (hasBody(method, status)) headers.set('content-length', String(body.length))
    else if (status === 204) headers.delete('content-length')
    if (body.length > 0 && !headers.has('content-type')) headers.set('content-type', UNKNOWN_TYPE)
    if (headers.has('content-encoding')) {
      service.report({ kind: 'response_encoded', client: verified.client, ...requestFields(message) })
    }
    const unproved = { status, headers, body }
    const [name, value] = proveResponse(unproved, { method, verified, time: service.clock.now() })
    headers.set(name, value)
    const sent = hasBody(method, status) && body.length > 0 ? new Uint8Array(body) : null
    return new Response(sent, { status, statusText, headers })
  }

  #headersOf(response: Response): Headers {
    const headers = headersWith(response.headers, this.#standing)
    // What a handler passed on from another service is not what this proof covers.
    headers.delete(FURTHER_HEADER)
    if (this.#further.length > 0) headers.set(FURTHER_HEADER, formatFurtherHeaders(this.#further))
    headers.delete('transfer-encoding')
    return headers
  }
}
