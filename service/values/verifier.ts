import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { authoriseRequest } from '../request/authorise.js'
import { type Header, RequestAborted, type RequestMessage } from '../request/message.js'
import { checkersFor, createGate, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import { challengeRequest, refuseRequest, requestFields } from '../request/refuse.js'
import { RequestRefused } from '../request/request-refused.js'
import { REQUIREMENT_OPTIONS } from '../request/requirements.js'
import type { ServiceParts } from '../request/service.js'
import { BodyOfValues, type GivenBody } from './body.js'
import { Exchange, type VerifiedExchange } from './exchange.js'

/** A request as it came over the wire. */
export interface IncomingRequest {
  readonly method: string
  /** Path and query as they stood on the request line. */
  readonly target: string
  /** All headers in the order in which they came. A name may come in any case, and twice. */
  readonly headers: Iterable<Header>
  /**
   * `undefined` only if the head of the request says that no body follows. A body to iterate over is read only once the
   * ticket was accepted, and only up to `maxBody`; what is left of it then is for the adapter to drop.
   */
  readonly body?: GivenBody | undefined
}

/** As of `requireTicket`, without what concerns its answers. */
export interface VerifierOptions
  extends Omit<
    RequireTicketOptions<IncomingRequest>,
    | 'onRefused'
    | 'maxResponse'
    | 'sealResponses'
    | 'streamsOutliveTickets'
    | 'permitWithoutTicket'
    | 'addressOf'
  > {}

const KNOWN: KnownOptions<VerifierOptions> = {
  service: true,
  ...REQUIREMENT_OPTIONS,
  caveats: true,
  requireCovered: true,
  coverResponseHeaders: true,
  maxBody: true,
}

export type Verify = (request: IncomingRequest) => Promise<VerifiedExchange>

/**
 * For whoever builds an adapter: the function that it gives lets a request pass only if it passes all ten checks of
 * docs/protocol.md section 8, each request once, and has what proves the response.
 *
 * That function throws `RequestRefused` for a request that must not be handled, with status and headers to answer with;
 * `RequestAborted` if its client went away; and a TypeError for what is no request.
 * @throws TypeError if an option does not exist or cannot be meant so
 */
export function createVerifier(options: VerifierOptions): Verify {
  requireKnownOptions<VerifierOptions>('createVerifier', options, KNOWN)
  const gate = createGate(options)
  return request => verify(gate, request)
}

async function verify(
  gate: TicketGate<IncomingRequest>,
  request: IncomingRequest,
): Promise<VerifiedExchange> {
  const { service } = gate
  const message = messageOf(request, service)
  try {
    const authorised = await authoriseRequest(gate, message, checkersFor(gate, request))
    if (authorised !== undefined) return new Exchange(gate, message, authorised, message.body?.bytes)
  } catch (cause) {
    if (!(cause instanceof RequestAborted)) throw new RequestRefused(refuseRequest(service, message, cause))
    service.report({ kind: 'aborted', ...requestFields(message) })
    throw cause
  }
  throw new RequestRefused(challengeRequest(service, message))
}

interface MessageOfValues extends RequestMessage {
  readonly body: BodyOfValues | undefined
}

function messageOf(
  { method, target, headers, body }: IncomingRequest,
  service: ServiceParts,
): MessageOfValues {
  if (typeof method !== 'string' || typeof target !== 'string') {
    throw new TypeError(
      'a request has a method and a target: path and query as they stood on the request line',
    )
  }
  const pairs = [...headers]
  if (!pairs.every(isHeader)) {
    throw new TypeError(
      'headers is a list of [name, value] as they came, with a name that came twice there twice',
    )
  }
  return { method, target, headers: pairs, body: BodyOfValues.of(body, service.timers) }
}

function isHeader(pair: unknown): boolean {
  return Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string'
}
