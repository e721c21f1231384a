import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerCors } from './node-http/cors.js'
import { noTicket, requireHandler, requireNext, requireNodeHttp } from './node-http/frameworks.js'
import { passedTicket, passGate } from './node-http/guard.js'
import {
  createNodeGate,
  type NodeGate,
  type NodeTicketOptions,
  type StrictTicketOptions,
} from './node-http/options.js'
import type { PassOn } from './node-http/refusal.js'
import {
  countingNext,
  handleWithoutTicket,
  mayPresentTicket,
  passesWithoutTicket,
} from './node-http/without-ticket.js'
import type { AcceptedTicket } from './request/ticket.js'

export type TicketHandler = (req: IncomingMessage, res: ServerResponse, ticket: AcceptedTicket) => unknown
/** Of a gate with `permitWithoutTicket`. */
export type PermittingHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  ticket: AcceptedTicket | undefined,
) => unknown
export type RequestListener = (req: IncomingMessage, res: ServerResponse) => void
export type Next = (error?: unknown) => void
export type Middleware<Req extends IncomingMessage, Res extends ServerResponse> = (
  req: Req,
  res: Res,
  next: Next,
) => unknown

export interface TicketMiddleware {
  (req: IncomingMessage, res: ServerResponse, next: Next): void
  /**
   * Middleware that lets `other` decide on a request that presents no ticket, as one with an API key. Whoever presents a
   * ticket, be it a bad one, is checked in full and never falls through to `other`. What `other` lets pass has no ticket:
   * `ticketIfAny(req)` is undefined there, and its response carries no proof. With `permitWithoutTicket` it is counted.
   * @throws TypeError if `other` is no function
   */
  or<Req extends IncomingMessage, Res extends ServerResponse>(
    other: Middleware<Req, Res>,
  ): Middleware<Req, Res>
}

/**
 * Lets a request reach the handler only if it passes all ten checks of docs/protocol.md section 8, each request once,
 * with its body still to be read; and proves the response to its client. Requests that are refused are answered here.
 *
 * With a handler it gives a listener for `node:http`; without one, middleware for Connect and Express, which must be
 * mounted before anything that reads bodies, compresses, or otherwise changes requests and responses. The ticket is
 * `ticketOf(req)`.
 * @throws TypeError if an option does not exist or cannot be meant so, or if the handler is a framework's application.
 * What is returned throws a TypeError if a framework calls it with other things than a request and response of
 * `node:http`. As a listener of another event of a server, as `upgrade`, it closes each connection and tells the owner.
 */
export function requireTicket(options: StrictTicketOptions, handler: TicketHandler): RequestListener
export function requireTicket(options: NodeTicketOptions, handler: PermittingHandler): RequestListener
export function requireTicket(options: NodeTicketOptions): TicketMiddleware
export function requireTicket(
  options: NodeTicketOptions,
  handler?: TicketHandler,
): RequestListener | TicketMiddleware {
  const gate = createNodeGate(options)
  if (handler === undefined) return createMiddleware(gate)
  requireHandler(handler)
  if (gate.passRefusals) throw new TypeError('passRefusals is for middleware: a handler has no next')
  return (req: IncomingMessage, res: ServerResponse, next?: unknown) => {
    if (!isMine(gate, req, res, next)) return
    if (passesWithoutTicket(gate, req, req)) {
      handleWithoutTicket(gate, req, res, () => (handler as PermittingHandler)(req, res, undefined))
    } else start(gate, req, res, ticket => handler(req, res, ticket))
  }
}

/** Whether a request is one of `node:http`, and needs more than what a browser asks before it sends. */
function isMine(
  { service, cors }: NodeGate,
  req: IncomingMessage,
  res: ServerResponse,
  next: unknown,
): boolean {
  if (!requireNodeHttp(service.report, req, res, next)) return false
  return cors === undefined || !answerCors(cors, service, req, res)
}

function createMiddleware(gate: NodeGate): TicketMiddleware {
  const middleware = (req: IncomingMessage, res: ServerResponse, next: Next): void => {
    if (!isMine(gate, req, res, next)) return
    const handle = (): unknown => {
      requireNext(next)
      return next()
    }
    if (passesWithoutTicket(gate, req, req)) handleWithoutTicket(gate, req, res, handle)
    else start(gate, req, res, handle, gate.passRefusals ? next : undefined)
  }
  const or = <Req extends IncomingMessage, Res extends ServerResponse>(
    other: Middleware<Req, Res>,
  ): Middleware<Req, Res> => {
    if (typeof other !== 'function') throw new TypeError('requireTicket.or takes middleware')
    return (req, res, next) => {
      if (!isMine(gate, req, res, next)) return
      if (mayPresentTicket(req)) return middleware(req, res, next)
      return other(req, res, countingNext(gate, req, next))
    }
  }
  return Object.assign(middleware, { or })
}

/**
 * The ticket of a request that `requireTicket` let through.
 * @throws TypeError that says what to do, if it let no such request through
 */
export function ticketOf(req: IncomingMessage): AcceptedTicket {
  const ticket = typeof req === 'object' && req !== null ? passedTicket(req) : undefined
  if (ticket === undefined) throw noTicket(req)
  return ticket
}

/**
 * The ticket of a request that `requireTicket` let through; `undefined` if something else did, or if it had none and
 * `permitWithoutTicket` let it pass.
 */
export function ticketIfAny(req: IncomingMessage): AcceptedTicket | undefined {
  return passedTicket(req)
}

/** A failure here, for example of a logger, costs this request its connection, but does not end the process. */
function start(
  gate: NodeGate,
  req: IncomingMessage,
  res: ServerResponse,
  handle: (ticket: AcceptedTicket) => unknown,
  passOn?: PassOn,
): void {
  pass(gate, req, res, handle, passOn).catch(() => res.destroy())
}

async function pass(
  gate: NodeGate,
  req: IncomingMessage,
  res: ServerResponse,
  handle: (ticket: AcceptedTicket) => unknown,
  passOn?: PassOn,
): Promise<void> {
  const passed = await passGate(gate, req, res, passOn)
  if (passed === undefined) return
  try {
    await handle(passed.ticket)
  } catch (cause) {
    passed.proof.threw(cause)
  }
}
