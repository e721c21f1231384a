import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuse, type VerifiedRequest } from '../../shared/accept/accept.js'
import { Refusal, refuseUnproved } from '../../shared/accept/refusal.js'
import { OrthrusError } from '../../shared/errors.js'
import { AttachedState } from '../response/attached-state.js'
import { type Proof, proofFor } from '../response/proof.js'
import { RequestAborted } from './body.js'
import { checkersFor, type Filter } from './options.js'
import { challenge, type RefusedRequest, refuseRequest, requestFields } from './refuse.js'
import type { ServiceParts } from './service.js'
import { createTicket, type Ticket } from './ticket.js'
import { verifyRequest } from './verify.js'

/** A request that was let through, and the proof that its response will carry. */
export interface Passed {
  readonly service: ServiceParts
  readonly verified: VerifiedRequest
  readonly ticket: Ticket
  readonly proof: Proof
}

/** Kept on the request: a filter that meets it again must not take it for a replay of itself. */
class Admitted extends AttachedState {
  #passed: Passed

  private constructor(req: IncomingMessage, passed: Passed) {
    super(req)
    this.#passed = passed
  }

  static at(service: ServiceParts, req: IncomingMessage): Passed | undefined {
    return #passed in req && req.#passed.service === service ? req.#passed : undefined
  }

  static keep(req: IncomingMessage, passed: Passed): void {
    if (#passed in req) req.#passed = passed
    else new Admitted(req, passed)
  }
}

/** What passed, or `undefined` where the request has been answered already, or there is nobody to answer. */
export async function admit(
  filter: Filter,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Passed | undefined> {
  try {
    const known = Admitted.at(filter.service, req)
    return known === undefined ? await admitFirst(filter, req, res) : admitAgain(filter, req, known)
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
  const proof = proofFor(req, res, { verified, clock, logger, maxResponse })
  const letIn = { service, verified, ticket, proof }
  Admitted.keep(req, letIn)
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
