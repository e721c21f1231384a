import type { IncomingMessage, ServerResponse } from 'node:http'
import { OrthrusError } from '../shared/errors.js'
import { refuse, type VerifiedRequest } from '../shared/protocol/accept.js'
import { Refusal, refuseUnproved } from '../shared/protocol/refusal.js'
import { checkersFor, type Filter } from './filter.js'
import { challenge, type RefusedRequest, refuseRequest, requestFields } from './refuse.js'
import { RequestAborted } from './request-body.js'
import { Proof } from './response-proof.js'
import type { ServiceParts } from './service.js'
import { createTicket, type Ticket } from './ticket.js'
import { verifyRequest } from './verify-request.js'

/** A request that was let through, and the proof that its response will carry. */
export interface Passed {
  readonly verified: VerifiedRequest
  readonly ticket: Ticket
  readonly proof: Proof
}

/** A filter that meets a request again must not take it for a replay of itself. */
const passed = new WeakMap<IncomingMessage, Passed & { readonly service: ServiceParts }>()

/** What passed, or `undefined` where the request has been answered already, or there is nobody to answer. */
export async function admit(
  filter: Filter,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Passed | undefined> {
  try {
    const known = passed.get(req)
    return known?.service === filter.service
      ? admitAgain(filter, req, known)
      : await admitFirst(filter, req, res)
  } catch (cause) {
    if (cause instanceof RequestAborted) {
      filter.service.logger.debug(requestFields(req), cause.message)
    } else {
      tell(filter, req, refuseRequest(req, res, filter.service, refusalOf(cause, filter, req)))
    }
    return undefined
  }
}

async function admitFirst(
  filter: Filter,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Passed | undefined> {
  const { service, maxBody, maxResponse } = filter
  const { clock, logger } = service
  const request = await verifyRequest(req, res, service, { checkers: checkersFor(filter, req), maxBody })
  if (request === undefined) {
    tell(filter, req, challenge(req, res, service))
    return undefined
  }
  const { verified } = request
  requireOwner(filter, verified)
  const ticket = createTicket(request)
  const { client, via, ticketId } = ticket
  const caveats = verified.caveats.map(caveat => caveat.name)
  logger.info({ client, via, ticketId, caveats, ...requestFields(req) }, 'a request was accepted')
  const proof = new Proof(req, res, { verified, clock, logger, maxResponse })
  const letIn = { service, verified, ticket, proof }
  passed.set(req, letIn)
  req.ticket = ticket
  return letIn
}

/** Step 10 again, and those `app` caveats that this filter, too, has checkers for. */
function admitAgain(filter: Filter, req: IncomingMessage, known: Passed): Passed {
  const checkers = checkersFor(filter, req)
  for (const caveat of known.verified.caveats) {
    if (caveat.name !== 'app' || checkers.get(caveat.app)?.(caveat.value) !== false) continue
    throw refuse(
      known.verified,
      'caveat_failed',
      `the caveat app ${JSON.stringify(caveat.app)} does not hold`,
    )
  }
  requireOwner(filter, known.verified)
  return known
}

function requireOwner({ requirement }: Filter, verified: VerifiedRequest): void {
  const fault = requirement(verified)
  if (fault !== undefined) throw refuse(verified, 'not_authorized', fault)
}

/** What is no refusal is a fault of this side: a shared replay cache that is away, a body read by others. */
function refusalOf(cause: unknown, { service }: Filter, req: IncomingMessage): Refusal {
  if (cause instanceof Refusal) return cause
  service.logger.error({ ...requestFields(req), err: cause }, 'a request could not be checked')
  const fault = new OrthrusError('unavailable', 'the service could not check the request', { cause })
  return refuseUnproved(fault, service.clock.now()) as Refusal
}

function tell({ options, service }: Filter, req: IncomingMessage, refused: RefusedRequest): void {
  try {
    options.onRefused?.(refused, req)
  } catch (err) {
    service.logger.error({ err }, 'onRefused failed')
  }
}
