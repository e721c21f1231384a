/** `orthrus/fetch-handler`: protects handlers that make a web-standard `Response` of a web-standard `Request`. */

import { answerCors, standingHeaders, withHeaders } from './fetch/cors.js'
import { passedTicket, passGate } from './fetch/guard.js'
import { createMiddleware, type HonoMiddleware } from './fetch/hono.js'
import {
  createFetchGate,
  type FetchGate,
  type FetchTicketOptions,
  type StrictFetchOptions,
} from './fetch/options.js'
import { isRequest, requireRequest } from './fetch/web-request.js'
import { isResponse } from './fetch/web-response.js'
import { countRequest, mayPresentTicket, passesWithoutTicket } from './fetch/without-ticket.js'
import type { AcceptedTicket } from './request/ticket.js'
import { whyWithoutTicket } from './request/without-ticket.js'

export { OrthrusError } from '../shared/errors.js'
export type { HonoContext, HonoMiddleware, HonoNext } from './fetch/hono.js'
export type {
  FetchTicketOptions as PermittingTicketOptions,
  StrictFetchOptions as RequireTicketOptions,
} from './fetch/options.js'
export type { CorsOptions } from './request/cors.js'
export type { AppCaveatChecker, CaveatValue } from './request/options.js'
export type { RefusedRequest } from './request/refuse.js'
export type { AcceptedTicket } from './request/ticket.js'

/** @param rest what else the framework gives its handlers: the parameters of a route, the environment. */
export type FetchHandler<Rest extends readonly unknown[]> = (
  request: Request,
  ticket: AcceptedTicket,
  ...rest: Rest
) => Response | Promise<Response>

/** Of a gate with `permitWithoutTicket`. */
export type PermittingFetchHandler<Rest extends readonly unknown[]> = (
  request: Request,
  ticket: AcceptedTicket | undefined,
  ...rest: Rest
) => Response | Promise<Response>

export type PlainHandler<Rest extends readonly unknown[]> = (
  request: Request,
  ...rest: Rest
) => Response | Promise<Response>

export interface GuardedHandler<Rest extends readonly unknown[]> {
  (request: Request, ...rest: Rest): Promise<Response>
  /**
   * A handler that lets `other` answer a request that presents no ticket, as one with an API key. Whoever presents a
   * ticket, be it a bad one, is checked in full and never falls through to `other`, whose answers carry no proof. With
   * `permitWithoutTicket` each request that `other` answers is counted.
   * @throws TypeError if `other` is no function
   */
  or(other: PlainHandler<Rest>): (request: Request, ...rest: Rest) => Promise<Response>
}

/**
 * Lets a request reach the handler only if it passes all ten checks of docs/protocol.md section 8, each request once,
 * with its body still to be read; and proves the response to its client. Requests that are refused are answered here.
 *
 * With a handler it gives a handler for whatever calls one with a `Request`: a route of Next.js, the server of Deno or
 * Bun, a `mount` of Hono that leaves the request as it is. Without one it gives middleware for Hono. The ticket is
 * `ticketOf(request)` too.
 *
 * A `Request` that had a body is another object for the handler: with the method, URL, headers and body that were
 * verified, and the signal of the one that came.
 * @throws TypeError if an option does not exist or cannot be meant so, or if the handler is no function. What is returned
 * throws a TypeError if it is called with anything but a `Request`, or the context of Hono that has one.
 */
export function requireTicket<Rest extends readonly unknown[] = []>(
  options: StrictFetchOptions,
  handler: FetchHandler<Rest>,
): GuardedHandler<Rest>
export function requireTicket<Rest extends readonly unknown[] = []>(
  options: FetchTicketOptions,
  handler: PermittingFetchHandler<Rest>,
): GuardedHandler<Rest>
export function requireTicket(options: FetchTicketOptions): HonoMiddleware
export function requireTicket<Rest extends readonly unknown[]>(
  options: FetchTicketOptions,
  handler?: FetchHandler<Rest>,
): GuardedHandler<Rest> | HonoMiddleware {
  const gate = createFetchGate(options)
  if (handler === undefined) return createMiddleware(gate)
  if (typeof handler === 'function') return guardHandler(gate, handler)
  throw new TypeError(
    'a handler is a function of request and ticket: with Hono, app.use(requireTicket({ service }))',
  )
}

/**
 * The ticket of a request that `requireTicket` let through: the one that came, or the one that its handler was given.
 * @throws TypeError that says what to do, if it let no such request through
 */
export function ticketOf(request: Request): AcceptedTicket {
  const ticket = typeof request === 'object' && request !== null ? passedTicket(request) : undefined
  if (ticket !== undefined) return ticket
  const advice = isRequest(request)
    ? (whyWithoutTicket(request, 'ticketIfAny(request)') ??
      'requireTicket has not let this request through: put it around whatever asks for the ticket, and ask with the request that it hands on, not with a copy')
    : 'it takes a Request: with Hono, ticketOf(c.req.raw)'
  throw new TypeError(`ticketOf found no ticket: ${advice}`)
}

/** As `ticketOf`, and `undefined` if something else let the request through. */
export function ticketIfAny(request: Request): AcceptedTicket | undefined {
  return passedTicket(request)
}

function guardHandler<Rest extends readonly unknown[]>(
  gate: FetchGate,
  handler: FetchHandler<Rest>,
): GuardedHandler<Rest> {
  const permitting = handler as PermittingFetchHandler<Rest>
  const guarded = (request: Request, ...rest: Rest): Promise<Response> => {
    requireRequest(request)
    const answer = answerCors(gate, request)
    if (answer !== undefined) return Promise.resolve(answer)
    // What it throws goes to the server, as it did before there was a gate.
    if (passesWithoutTicket(gate, request, rest[0]))
      return unproved(gate, request, () => permitting(request, undefined, ...rest))
    return passGate(gate, request, (handed, ticket) => handler(handed, ticket, ...rest))
  }
  const or: GuardedHandler<Rest>['or'] = other => {
    if (typeof other !== 'function') throw new TypeError('requireTicket.or takes a handler')
    return async (request, ...rest) => {
      requireRequest(request)
      if (mayPresentTicket(request)) return await guarded(request, ...rest)
      const answer = answerCors(gate, request)
      if (answer !== undefined) return answer
      if (gate.permitsWithoutTicket) countRequest(gate, request, rest[0])
      return await unproved(gate, request, () => other(request, ...rest))
    }
  }
  return Object.assign(guarded, { or })
}

/** What is answered where there is no ticket. */
async function unproved(
  gate: FetchGate,
  request: Request,
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  const response = await answer()
  return isResponse(response) ? withHeaders(response, standingHeaders(gate, request)) : response
}
