/** `orthrus/koa`: protects applications of Koa, and single routes of them. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerCors } from './node-http/cors.js'
import { type Passed, passedTicket, passGate } from './node-http/guard.js'
import { createNodeGate, type NodeGate, type NodeTicketOptions } from './node-http/options.js'
import { countingNext, mayPresentTicket, passesWithoutTicket } from './node-http/without-ticket.js'
import type { AcceptedTicket } from './request/ticket.js'
import { whyWithoutTicket } from './request/without-ticket.js'

export { OrthrusError } from '../shared/errors.js'
export type { NodeTicketOptions as RequireTicketOptions } from './node-http/options.js'
export type { CorsOptions } from './request/cors.js'
export type { RefusedRequest } from './request/refuse.js'
export { RequestRefused } from './request/request-refused.js'
export type { AcceptedTicket } from './request/ticket.js'

/** As much of Koa's context as its middleware needs. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly originalUrl: string
  respond?: boolean | undefined
}

export type KoaMiddleware<Context extends KoaContext = KoaContext> = (
  ctx: Context,
  next: () => Promise<unknown>,
) => Promise<unknown>

export interface KoaTicketMiddleware extends KoaMiddleware {
  /**
   * Middleware that lets `other` decide on a request that presents no ticket, as one with an API key. Whoever presents a
   * ticket, be it a bad one, is checked in full and never falls through to `other`. What `other` lets pass has no ticket:
   * `ticketIfAny(ctx)` is undefined there, and its response carries no proof. With `permitWithoutTicket` it is counted.
   * @throws TypeError if `other` is no function
   */
  or<Context extends KoaContext>(other: KoaMiddleware<Context>): KoaMiddleware<Context>
}

/**
 * Lets a request reach what comes next only if it passes all ten checks of docs/protocol.md section 8, each request once,
 * with its body still to be read; and proves the response to its client. It stands before whatever reads bodies. Requests
 * that are refused are answered here; with `passRefusals` the middleware throws `RequestRefused` instead, which whatever
 * stands before it may catch and answer. The ticket is `ticketOf(ctx)`.
 * @throws TypeError if an option does not exist or cannot be meant so
 */
export function requireTicket(options: NodeTicketOptions): KoaTicketMiddleware {
  const gate = createNodeGate(options)
  const middleware: KoaMiddleware = async (ctx, next) => {
    requireContext(ctx)
    if (isAnsweredToBrowser(gate, ctx)) return
    if (passesWithoutTicket(gate, ctx.req, ctx.req)) await next()
    else await pass(gate, ctx, next)
  }
  const or = <Context extends KoaContext>(other: KoaMiddleware<Context>): KoaMiddleware<Context> => {
    if (typeof other !== 'function') throw new TypeError('requireTicket.or takes middleware')
    return async (ctx, next) => {
      requireContext(ctx)
      if (isAnsweredToBrowser(gate, ctx)) return
      if (mayPresentTicket(ctx.req)) await pass(gate, ctx, next)
      else await other(ctx, countingNext(gate, ctx.req, next))
    }
  }
  return Object.assign(middleware, { or })
}

/**
 * The ticket of a request that `requireTicket` let through.
 * @throws TypeError that says what to do, if it let no such request through
 */
export function ticketOf(ctx: Pick<KoaContext, 'req'>): AcceptedTicket {
  const ticket = ticketIfAny(ctx)
  if (ticket !== undefined) return ticket
  const advice =
    whyWithoutTicket(ctx?.req, 'ticketIfAny(ctx)') ??
    'it takes the context of a request that requireTicket let through: mount it before whatever asks for the ticket'
  throw new TypeError(`ticketOf found no ticket: ${advice}`)
}

/**
 * The ticket of a request that `requireTicket` let through; `undefined` if something else did, or if it had none and
 * `permitWithoutTicket` let it pass.
 */
export function ticketIfAny(ctx: Pick<KoaContext, 'req'>): AcceptedTicket | undefined {
  const { req } = ctx
  return typeof req === 'object' && req !== null ? passedTicket(req) : undefined
}

function requireContext(ctx: KoaContext): void {
  if (Array.isArray(ctx?.req?.rawHeaders) && typeof ctx.res?.setHeader === 'function') return
  throw new TypeError(
    'requireTicket of orthrus/koa is middleware of Koa: app.use(requireTicket({ service })); orthrus/service has the one for node:http, Express and Connect',
  )
}

function isAnsweredToBrowser({ cors, service }: NodeGate, ctx: KoaContext): boolean {
  if (cors === undefined || !answerCors(cors, service, ctx.req, ctx.res)) return false
  ctx.respond = false
  return true
}

async function pass(gate: NodeGate, ctx: KoaContext, next: () => Promise<unknown>): Promise<void> {
  keepTarget(ctx)
  const passed = await passOrRefuse(gate, ctx)
  if (passed === undefined) {
    ctx.respond = false
    return
  }
  await next()
  // Nobody is left to answer, and Koa would end the response without the body that it announced.
  if (ctx.res.destroyed || ctx.req.socket?.destroyed) ctx.respond = false
}

/** Routers cut `url` where they mount, and Koa keeps the whole beside the request. */
function keepTarget({ req, originalUrl }: KoaContext): void {
  const request: IncomingMessage & { originalUrl?: unknown } = req
  request.originalUrl ??= originalUrl
}

/** @throws RequestRefused if refusals are passed on, and `onRefused` did not answer this one */
function passOrRefuse(gate: NodeGate, { req, res }: KoaContext): Promise<Passed | undefined> {
  if (!gate.passRefusals) return passGate(gate, req, res)
  return new Promise((resolve, reject) => {
    res.once('close', () => resolve(undefined))
    const passing = passGate(gate, req, res, reject)
    passing.then(passed => {
      if (passed !== undefined) resolve(passed)
    }, reject)
  })
}
