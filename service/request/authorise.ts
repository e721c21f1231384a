import { refuse, ticketsOf, type VerifiedRequest } from '../../shared/accept/accept.js'
import type { CaveatChecker } from '../../shared/ticket/caveats.js'
import { requireCoverage } from './coverage.js'
import type { RequestMessage } from './message.js'
import { reportAccepted } from './report-accepted.js'
import type { Requirement } from './requirements.js'
import type { ServiceParts } from './service.js'
import { type AcceptedTicket, createTicket } from './ticket.js'
import { tracedAccept } from './traced-accept.js'
import { verifyRequest } from './verify.js'

/** What a request must pass to reach a handler. */
export interface Gate {
  readonly service: ServiceParts
  readonly requirement: Requirement
  /** Further headers that the request must cover, in lower case. */
  readonly requireCovered: readonly string[]
  /** Bytes. */
  readonly maxBody: number
}

/** A request that passed all ten steps of docs/protocol.md section 8. */
export interface AuthorisedRequest {
  readonly verified: VerifiedRequest
  readonly ticket: AcceptedTicket
  /** Whether its body is sealed, and so still to be opened. */
  readonly isSealed: boolean
}

export type Checkers = ReadonlyMap<string, CaveatChecker>

/**
 * Steps 1 to 10, each request once. `undefined` if it has no credentials.
 * @throws Refusal
 * @throws RequestAborted if the client went away
 * @throws unknown if this side could not check it
 */
export function authoriseRequest(
  gate: Gate,
  message: RequestMessage,
  checkers: Checkers,
): Promise<AuthorisedRequest | undefined> {
  const { tracing } = gate.service
  if (tracing === undefined) return authorise(gate, message, checkers)
  return tracedAccept(
    tracing,
    gate.service,
    message,
    () => authorise(gate, message, checkers),
    authorised => authorised && ticketsOf(authorised.verified),
  )
}

async function authorise(
  gate: Gate,
  message: RequestMessage,
  checkers: Checkers,
): Promise<AuthorisedRequest | undefined> {
  const { service, requireCovered, maxBody } = gate
  const request = await verifyRequest(message, service, { checkers, requireCovered, maxBody })
  if (request === undefined) return undefined
  const { verified, isSealed } = request
  requireOwner(gate, verified)
  const ticket = createTicket(request)
  reportAccepted(service, message, verified, ticket)
  return { verified, ticket, isSealed }
}

/**
 * Step 10 for a request that passed another gate of the same service before, what this gate requires to be covered, and
 * those `app` caveats that it, too, has checkers for.
 * @throws Refusal
 */
export function authoriseAgain(
  gate: Gate,
  { verified, ticket }: Pick<AuthorisedRequest, 'verified' | 'ticket'>,
  checkers: Checkers,
): void {
  requireCoverage(verified, ticket.covered, gate.requireCovered)
  for (const caveat of verified.caveats) {
    if (caveat.name !== 'app' || checkers.get(caveat.app)?.(caveat.value) !== false) continue
    throw refuse(verified, 'caveat_failed', `the caveat app ${JSON.stringify(caveat.app)} does not hold`)
  }
  requireOwner(gate, verified)
}

function requireOwner({ requirement }: Gate, verified: VerifiedRequest): void {
  const fault = requirement(verified)
  if (fault !== undefined) throw refuse(verified, 'not_authorized', fault)
}
