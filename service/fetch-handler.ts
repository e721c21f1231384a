/** `orthrus/fetch-handler`: protects handlers that make a web-standard `Response` of a web-standard `Request`. */

import { passedTicket, passGate } from './fetch/guard.js'
import { createFetchGate, type FetchGate, type FetchTicketOptions } from './fetch/options.js'
import { countingNext, mayPresentTicket, passesWithoutTicket } from './fetch/without-ticket.js'
import type { AcceptedTicket } from './request/ticket.js'
import { whyWithoutTicket } from './request/without-ticket.js'
import { isApplications } from './response/rendered.js'

export { OrthrusError } from '../shared/errors.js'
export type { FetchTicketOptions as RequireTicketOptions } from './fetch/options.js'
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

export type GuardedHandler<Rest extends readonly unknown[]> = (
  request: Request,
  ...rest: Rest
) => Promise<Response>

/** As much of Hono's context as its middleware needs. */
export interface HonoContext {
  readonly req: { raw: Request }
  get res(): Response
  set res(response: Response | undefined)
}

export type HonoNext = () => Promise<void>

export interface HonoMiddleware {
  (context: HonoContext, next: HonoNext): Promise<void>
  /**
   * Middleware that lets `other` decide on a request that presents no ticket, as one with an API key. Whoever presents a
   * ticket, be it a bad one, is checked in full and never falls through to `other`. What `other` lets pass has no ticket:
   * `ticketIfAny(c.req.raw)` is undefined there, and its response carries no proof. With `permitWithoutTicket` it is
   * counted.
   * @throws TypeError if `other` is no function
   */
  or<Context extends HonoContext, Answer>(
    other: (context: Context, next: HonoNext) => Promise<Answer>,
  ): (context: Context, next: HonoNext) => Promise<Answer | undefined>
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
  options: FetchTicketOptions & { readonly permitWithoutTicket?: false },
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
  if (typeof handler !== 'function') {
    throw new TypeError(
      'a handler is a function of request and ticket: with Hono, app.use(requireTicket({ service }))',
    )
  }
  const permitting = handler as PermittingFetchHandler<Rest>
  return (request: Request, ...rest: Rest) => {
    requireRequest(request)
    // What it throws goes to the server, as it did before there was a gate.
    if (passesWithoutTicket(gate, request, rest[0]))
      return settled(() => permitting(request, undefined, ...rest))
    return passGate(gate, request, (handed, ticket) => handler(handed, ticket, ...rest))
  }
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

function createMiddleware(gate: FetchGate): HonoMiddleware {
  const middleware = (context: HonoContext, next: HonoNext): Promise<void> => {
    requireRequest(context?.req?.raw)
    if (passesWithoutTicket(gate, context.req.raw, context)) return next()
    return beforeNext(gate, context, next)
  }
  const or: HonoMiddleware['or'] = other => {
    if (typeof other !== 'function') throw new TypeError('requireTicket.or takes middleware')
    return async (context, next) => {
      requireRequest(context?.req?.raw)
      const { raw } = context.req
      if (!mayPresentTicket(raw)) return await other(context, countingNext(gate, raw, context, next))
      await middleware(context, next)
      return undefined
    }
  }
  return Object.assign(middleware, { or })
}

async function settled<T>(run: () => T | Promise<T>): Promise<T> {
  return await run()
}

/** Refusals as Hono was given them. */
const refusals = new WeakSet<Response>()

/** Hono routes by the request that came, and what comes next reads the one that was verified. */
async function beforeNext(gate: FetchGate, context: HonoContext, next: HonoNext): Promise<void> {
  let hasRun = false
  const response = await passGate(gate, context.req.raw, async request => {
    hasRun = true
    context.req.raw = request
    await next()
    return context.res
  })
  // By this gate, or by one further in.
  if (!hasRun || refusals.has(context.res)) {
    keepHeaders(context.res.headers, response.headers)
    refusals.add(response)
  }
  // Hono adds the headers of a response to the one that replaces it, unless there is none.
  context.res = undefined
  context.res = response
}

/** What middleware in front has set belongs to a refusal too, or a page of another origin could not see that it is one. */
function keepHeaders(before: Headers, refusal: Headers): void {
  const own = new Set(refusal.keys())
  for (const [name, value] of before) if (!own.has(name) && isApplications(name)) refusal.append(name, value)
}

/** @throws TypeError that says what to do, if it is no request of this kind */
function requireRequest(request: unknown): void {
  if (isRequest(request)) return
  throw new TypeError(
    'requireTicket of orthrus/fetch-handler takes a web-standard Request; orthrus/service has the one for node:http, Express and Connect',
  )
}

function isRequest(value: unknown): value is Request {
  if (typeof value !== 'object' || value === null) return false
  const { method, url, headers, body } = value as Partial<Request>
  const isHead = typeof method === 'string' && typeof url === 'string'
  return isHead && typeof headers?.entries === 'function' && body !== undefined
}
