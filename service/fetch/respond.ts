import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import { hasBody } from '../../shared/http/binding.js'
import { formatFurtherHeaders } from '../../shared/http/further-headers.js'
import { FURTHER_HEADER } from '../../shared/http/header-names.js'
import type { Header, RequestMessage } from '../request/message.js'
import { requestFields } from '../request/refuse.js'
import type { ServiceParts } from '../request/service.js'
import { FAILED, FAILED_TYPE, type Failure, overflow, responseFault } from '../response/failure.js'
import { coveredTogether } from '../response/headers.js'
import { proveResponse } from '../response/prove.js'
import { collectBounded } from './bounded-reader.js'
import { headersWith } from './cors.js'
import { isResponse } from './web-response.js'

export interface ResponderOptions {
  /** The request as it came. */
  readonly message: RequestMessage
  readonly verified: VerifiedRequest
  readonly service: ServiceParts
  /** Further headers that are covered, in lower case and ascending order. */
  readonly coverResponse: readonly string[]
  /** Bytes. */
  readonly maxResponse: number
  /** What the response has, whatever becomes of it. */
  readonly standing: readonly Header[]
}

const NO_BODY = new Uint8Array()
/** Some servers name a type of their own where there is none, and would change what is proved. */
const UNKNOWN_TYPE = 'application/octet-stream'

/** Nobody is left to read it. The status is what other servers log in this case. */
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
  threw(err: unknown): Response {
    return this.failed({ reason: 'it threw', err })
  }

  failed({ reason, hint, err }: Failure): Response {
    const { message, verified, service } = this.#options
    const { client } = verified
    service.report({ kind: 'response_failed', reason, hint, client, ...requestFields(message), err })
    return this.#proved(new Response(null, { status: 500, headers: { 'content-type': FAILED_TYPE } }), FAILED)
  }

  /**
   * @param stop ends the reading of the response, which then fails
   * @throws unknown what its stream fails with
   */
  async respond(response: Response, stop: AbortSignal): Promise<Response> {
    if (!isResponse(response)) return this.failed({ reason: 'it returned no Response' })
    if (response.bodyUsed || response.body?.locked) {
      return this.failed({ reason: 'the body of its response was read before' })
    }
    const { method } = this.#options.message
    const body = await this.#collect(response, stop)
    if (body === undefined) return this.failed(overflow(this.#options.maxResponse))
    const { status, headers } = response
    const reason = responseFault(method, {
      status,
      length: body.length,
      announced: headers.get('content-length') ?? undefined,
      hasTrailers: headers.has('trailer'),
    })
    if (reason !== undefined) return this.failed({ reason })
    try {
      return this.#proved(response, body)
    } catch (cause) {
      if (cause instanceof OrthrusError) return this.failed({ reason: cause.reason })
      throw cause
    }
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
    const headers = headersWith(response.headers, this.#standing)
    // What a handler passed on from another service is not what this proof covers.
    headers.delete(FURTHER_HEADER)
    if (this.#further.length > 0) headers.set(FURTHER_HEADER, formatFurtherHeaders(this.#further))
    headers.delete('transfer-encoding')
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
}
