import { OrthrusError } from '../../shared/errors.js'
import { formatFurtherHeaders } from '../../shared/http/further-option.js'
import { FURTHER_HEADER } from '../../shared/http/header-names.js'
import type { AuthorisedRequest } from '../request/authorise.js'
import type { Header, RequestMessage, ResponseMessage } from '../request/message.js'
import { refuseRequest, requestFields } from '../request/refuse.js'
import { RequestRefused } from '../request/request-refused.js'
import { causeForBegun, refusalOf, type Watched } from '../request/revocation.js'
import type { ServiceParts } from '../request/service.js'
import { type AcceptedTicket, abortTicket } from '../request/ticket.js'
import { responseFault } from '../response/failure.js'
import { proveResponse } from '../response/prove.js'

/** A request that passed all checks. */
export interface VerifiedExchange {
  readonly ticket: AcceptedTicket
  /** The body that was verified: the handler must have this one. Empty if there is none. */
  readonly body: Uint8Array
  /**
   * The headers of the response with its proof: send exactly these, with the status and the body that were given, and add
   * nothing but what the connection needs (`content-length`, `date`, `connection`). A response is proved once.
   * @throws RequestRefused if the request's tickets were revoked since it was verified: answer that instead
   * @throws TypeError for a response that no client could check: no other has been proved, so prove a 500
   */
  prove(response: ResponseMessage): Header[]
  /** Nobody is left to answer, so that `ticket.signal` need not follow revocations any longer. `prove` calls it too. */
  end(): void
}

export interface ExchangeOptions {
  readonly service: ServiceParts
  /** Further headers of responses that are covered, in lower case and ascending order. */
  readonly coverResponse: readonly string[]
}

const NO_BODY = new Uint8Array()
const REPLACED: ReadonlySet<string> = new Set(['authentication-info', FURTHER_HEADER])

export class Exchange implements VerifiedExchange {
  readonly ticket: AcceptedTicket
  readonly body: Uint8Array
  readonly #options: ExchangeOptions
  readonly #message: RequestMessage
  readonly #authorised: AuthorisedRequest
  readonly #watched: Watched
  #refused: RequestRefused | undefined
  #isProved = false

  constructor(
    options: ExchangeOptions,
    message: RequestMessage,
    authorised: AuthorisedRequest,
    body: Uint8Array = NO_BODY,
  ) {
    this.ticket = authorised.ticket
    this.body = body
    this.#options = options
    this.#message = message
    this.#authorised = authorised
    this.#watched = { tickets: authorised.verified.tickets, end: cause => this.#revoke(cause) }
    options.service.revocation?.watch(this.#watched)
  }

  prove({ status, headers, body }: ResponseMessage): Header[] {
    if (this.#refused !== undefined) throw this.#refused
    if (this.#isProved) throw new TypeError('the response to this request was proved before')
    const { method } = this.#message
    const given = headers.filter(([name]) => !REPLACED.has(name.toLowerCase()))
    const { coverResponse, service } = this.#options
    const all: Header[] = [...given]
    if (coverResponse.length > 0) all.push([FURTHER_HEADER, formatFurtherHeaders(coverResponse)])
    requireProvable(method, { status, headers: all, body })
    const options = { method, verified: this.#authorised.verified, time: service.clock.now() }
    const proof = provedOrTypeError(() => proveResponse({ status, headers: all, body }, options))
    if (firstOf(all, 'content-encoding') !== undefined) {
      service.report({
        kind: 'response_encoded',
        client: this.ticket.client,
        ...requestFields(this.#message),
      })
    }
    this.#isProved = true
    this.end()
    return [...all, proof]
  }

  end(): void {
    this.#options.service.revocation?.forget(this.#watched)
  }

  #revoke(cause: OrthrusError): void {
    const { method } = this.#message
    const answered = refusalOf(this.#authorised.verified, causeForBegun(method, cause))
    this.#refused = new RequestRefused(refuseRequest(this.#options.service, this.#message, answered))
    abortTicket(this.ticket, cause)
  }
}

function requireProvable(method: string, { status, headers, body }: ResponseMessage): void {
  const announced = firstOf(headers, 'content-length')
  const hasTrailers = firstOf(headers, 'trailer') !== undefined
  const fault = responseFault(method, { status, length: body.length, announced, hasTrailers })
  if (fault !== undefined) throw new TypeError(`the response cannot be proved: ${fault}`)
}

function firstOf(headers: readonly Header[], wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
}

/** A covered header that is doubled or empty is the mistake of whoever made the response. */
function provedOrTypeError(prove: () => Header): Header {
  try {
    return prove()
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new TypeError(`the response cannot be proved: ${cause.reason}`, { cause })
  }
}
