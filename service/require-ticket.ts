import type { IncomingMessage, ServerResponse } from 'node:http'
import { OrthrusError } from '../shared/errors.js'
import { refuse, type VerifiedRequest } from '../shared/protocol/accept.js'
import type { CaveatChecker } from '../shared/protocol/caveats.js'
import type { Value } from '../shared/protocol/encoding.js'
import { Refusal, refuseUnproved } from '../shared/protocol/refusal.js'
import { challenge, type RefusedRequest, refuseRequest, requestFields } from './refuse.js'
import { RequestAborted } from './request-body.js'
import { createRequirement, type Requirement, type RequirementOptions } from './requirements.js'
import { Proof } from './response-proof.js'
import { partsOf, type Service, type ServiceParts } from './service.js'
import { createTicket, type Ticket } from './ticket.js'
import { verifyRequest } from './verify-request.js'

export type CaveatValue = Value

/** True, and nothing else, where the caveat holds for the request. What it throws counts as false. */
export type AppCaveatChecker = (value: CaveatValue, req: IncomingMessage) => boolean

export interface RequireTicketOptions extends RequirementOptions {
  /** What `loadService` gave. */
  readonly service: Service
  /** Checkers of `app` caveats by name; a caveat without one fails. Default: none. */
  readonly caveats?: Readonly<Record<string, AppCaveatChecker>>
  /** The most bytes of a request's body. Default 1 MiB. */
  readonly maxBody?: number
  /** The most bytes of a response's body: it is kept until it is whole. Default 8 MiB. */
  readonly maxResponse?: number
  /** Told of each request that is not let through, after it was answered. */
  readonly onRefused?: (refused: RefusedRequest, req: IncomingMessage) => void
}

export type TicketHandler = (req: IncomingMessage, res: ServerResponse, ticket: Ticket) => unknown
export type RequestListener = (req: IncomingMessage, res: ServerResponse) => void
export type TicketMiddleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void

interface Filter {
  readonly options: RequireTicketOptions
  readonly service: ServiceParts
  readonly requirement: Requirement
  readonly maxBody: number
  readonly maxResponse: number
}

/** A request that was let through, and the proof that its response will carry. */
interface Passed {
  readonly verified: VerifiedRequest
  readonly ticket: Ticket
  readonly proof: Proof
}

/** A filter that meets a request again must not take it for a replay of itself. */
const passed = new WeakMap<IncomingMessage, Passed & { readonly service: ServiceParts }>()

const MAX_BODY = 1024 * 1024
const MAX_RESPONSE = 8 * 1024 * 1024

/**
 * Lets a request reach the handler only if it passes all ten checks of docs/protocol.md section 8, each request once,
 * with its body still to be read; and proves the response to its client. What is refused is answered here.
 *
 * With a handler it gives a listener for `node:http`; without, middleware for Connect and Express, to be mounted
 * before whatever reads bodies, compresses, or otherwise changes requests and responses. The ticket is `req.ticket`.
 * @throws TypeError where an option could not be meant so
 */
export function requireTicket(options: RequireTicketOptions, handler: TicketHandler): RequestListener
export function requireTicket(options: RequireTicketOptions): TicketMiddleware
export function requireTicket(
  options: RequireTicketOptions,
  handler?: TicketHandler,
): RequestListener | TicketMiddleware {
  const filter = createFilter(options)
  if (handler === undefined) {
    return (req, res, next) => {
      void pass(filter, req, res, () => next())
    }
  }
  if (typeof handler !== 'function') throw new TypeError('a handler is a function')
  return (req: IncomingMessage, res: ServerResponse) => {
    void pass(filter, req, res, ticket => handler(req, res, ticket))
  }
}

function createFilter(options: RequireTicketOptions): Filter {
  const service = partsOf(options.service)
  const { maxBody = MAX_BODY, maxResponse = MAX_RESPONSE, caveats = {} } = options
  for (const [name, value] of Object.entries({ maxBody, maxResponse })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${name} is a number of bytes`)
  }
  for (const [name, checker] of Object.entries(caveats)) {
    if (typeof checker !== 'function') throw new TypeError(`the checker of ${name} is a function`)
  }
  return {
    options,
    service,
    requirement: createRequirement(options, service.principal),
    maxBody,
    maxResponse,
  }
}

async function pass(
  filter: Filter,
  req: IncomingMessage,
  res: ServerResponse,
  handle: (ticket: Ticket) => unknown,
): Promise<void> {
  const letIn = await admit(filter, req, res)
  if (letIn === undefined) return
  try {
    await handle(letIn.ticket)
  } catch (cause) {
    letIn.proof.fail('it threw', cause)
  }
}

/** What passed, or `undefined` where the request has been answered already, or there is nobody to answer. */
async function admit(filter: Filter, req: IncomingMessage, res: ServerResponse): Promise<Passed | undefined> {
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
  const verified = await verifyRequest(req, res, service, { checkers: checkersFor(filter, req), maxBody })
  if (verified === undefined) {
    tell(filter, req, challenge(req, res, service))
    return undefined
  }
  requireOwner(filter, verified)
  const ticket = createTicket(verified)
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

function checkersFor({ options, service }: Filter, req: IncomingMessage): Map<string, CaveatChecker> {
  const checkers = new Map<string, CaveatChecker>()
  for (const [name, checker] of Object.entries(options.caveats ?? {})) {
    checkers.set(name, value => {
      try {
        return checker(value, req) === true
      } catch (err) {
        service.logger.error({ caveat: name, err }, 'the checker of an app caveat failed')
        return false
      }
    })
  }
  return checkers
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
