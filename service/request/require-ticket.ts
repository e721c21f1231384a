import type { IncomingMessage, ServerResponse } from 'node:http'
import { admit } from './guard.js'
import { createFilter, type Filter, type RequireTicketOptions } from './options.js'
import type { Ticket } from './ticket.js'

export type TicketHandler = (req: IncomingMessage, res: ServerResponse, ticket: Ticket) => unknown
export type RequestListener = (req: IncomingMessage, res: ServerResponse) => void
export type TicketMiddleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void

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
    return (req, res, next) => start(filter, req, res, () => next())
  }
  if (typeof handler !== 'function') throw new TypeError('a handler is a function')
  return (req: IncomingMessage, res: ServerResponse) => {
    start(filter, req, res, ticket => handler(req, res, ticket))
  }
}

/** Whatever fails here, a logger say, costs this request its connection, and not the process its life. */
function start(
  filter: Filter,
  req: IncomingMessage,
  res: ServerResponse,
  handle: (ticket: Ticket) => unknown,
): void {
  pass(filter, req, res, handle).catch(() => res.destroy())
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
