import { Refusal, refuseUnproved } from '../../shared/accept/refusal.js'
import { refusalIdOf } from '../../shared/encoding/refusal-id.js'
import { OrthrusError, type WireCode } from '../../shared/errors.js'
import { formatChallenge, parseMessageHeader, statusOf } from '../../shared/http/headers.js'
import { showsProtocol } from '../../shared/http/protocol-signs.js'
import type { Principal } from '../../shared/principal.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import type { RequestFields } from '../report/events.js'
import { hintFor } from './hints.js'
import type { RequestMessage, ResponseMessage } from './message.js'
import type { ServiceParts } from './service.js'

/** A request that was refused, as the service itself sees it. */
export interface RefusedRequest {
  /** Absent if the request came without credentials. */
  readonly code: WireCode | undefined
  /** For people. It says more than the response did. */
  readonly reason: string
  /** The principal that presented the request, if that was proved. */
  readonly presenter: Principal | undefined
}

/** What the service's owner learns, and what the client is answered. */
export interface Refused {
  readonly refused: RefusedRequest
  readonly response: ResponseMessage
}

const utf8 = new TextEncoder()

/** Characters. */
const PATH_LOGGED = 256

/** Method and path, for the log. */
export function requestFields({ method, target }: Pick<RequestMessage, 'method' | 'target'>): RequestFields {
  return { method, path: pathOf(target)?.slice(0, PATH_LOGGED) }
}

const PARTIAL =
  'the request has headers of Orthrus, and no ticket in Authorization: something on the way removes or rewrites that header, or two parties write it'

/** A request without credentials is answered with the challenge alone. */
export function challengeRequest(service: ServiceParts, message: RequestMessage): Refused {
  const hint = showsProtocol(message.headers) ? PARTIAL : undefined
  service.report({ kind: 'challenged', hint, ...requestFields(message) })
  const refused = { code: undefined, reason: 'the request has no credentials', presenter: undefined }
  const challenge = formatChallenge({ realm: service.realm })
  return { refused, response: responseOf(401, challenge, 'authentication required') }
}

/**
 * The answer is the refusal's ERROR (docs/protocol.md section 8, HTTP binding).
 * @param cause what `authoriseRequest` threw. Anything but a refusal is a fault of the service.
 */
export function refuseRequest(service: ServiceParts, message: RequestMessage, cause: unknown): Refused {
  const { refused, reply, code } = reportRefusal(service, message, cause)
  const challenge = formatChallenge({ realm: service.realm, code, error: reply })
  return { refused, response: responseOf(statusOf(code), challenge, code) }
}

const UNPROVED = { client: undefined, via: undefined, ticketId: undefined, viaTicketId: undefined }

/** Reports why a request was refused. @returns what its owner learns, and the ERROR that answers it */
export function reportRefusal(
  service: ServiceParts,
  message: RequestMessage,
  cause: unknown,
): { readonly refused: RefusedRequest; readonly reply: Uint8Array; readonly code: WireCode } {
  const refusal = cause instanceof Refusal ? cause : unchecked(service, message, cause)
  const { wireCode: code, reason, presenter, reply } = refusal
  if (refusal === cause) {
    const kind = code === 'replay' ? 'replayed' : 'refused'
    const hint = hintFor(refusal, message, service)
    const { expected: bound, actual: arrived } = code === 'binding_mismatch' ? refusal.facts : {}
    const { client, via, ticketId, viaTicketId } = refusal.proved ?? UNPROVED
    const who = { presenter, client, via, ticketId, viaTicketId }
    const id = idOf(message)
    service.report({ kind, id, code, reason, ...hint, bound, arrived, ...who, ...requestFields(message) })
  }
  return { refused: { code, reason, presenter }, reply, code }
}

function idOf({ headers }: RequestMessage): string | undefined {
  try {
    const [, value] = headers.find(([name]) => name.toLowerCase() === 'authorization') ?? []
    const presented = parseMessageHeader(value)
    return presented === undefined ? undefined : (refusalIdOf(presented) ?? undefined)
  } catch {
    // That it cannot be read is why it was refused.
    return undefined
  }
}

function unchecked(service: ServiceParts, message: RequestMessage, cause: unknown): Refusal {
  service.report({ kind: 'unchecked', ...requestFields(message), err: cause })
  const fault = new OrthrusError('unavailable', 'the service could not check the request', { cause })
  return refuseUnproved(fault, service.clock.now()) as Refusal
}

function responseOf(status: number, challenge: string, text: string): ResponseMessage {
  const body = utf8.encode(`${text}\n`)
  const headers = [
    ['www-authenticate', challenge],
    ['cache-control', 'no-store'],
    ['content-type', 'text/plain; charset=utf-8'],
    ['content-length', String(body.length)],
  ] as const
  return { status, headers, body }
}
