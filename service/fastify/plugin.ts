import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answerCors } from '../node-http/cors.js'
import { type Arrival, decideRequest, passedTicket, refuseAtOnce } from '../node-http/guard.js'
import { letRender } from '../node-http/refusal.js'
import { countRequest, mayPresentTicket, passesWithoutTicket } from '../node-http/without-ticket.js'
import { type CorsPolicy, headersForPage } from '../request/cors.js'
import type { Front } from '../request/front-options.js'
import { tellRefused } from '../request/options.js'
import type { Refused } from '../request/refuse.js'
import { RequestRefused } from '../request/request-refused.js'
import type { AcceptedTicket } from '../request/ticket.js'
import { whyWithoutTicket } from '../request/without-ticket.js'
import { canRender } from '../response/refusal.js'
import { type FastifyTicketOptions, type RouteGate, RouteGates } from './route-gates.js'

const DECORATED = Symbol('orthrus: request.ticket')

/** @throws TypeError if an option does not exist or cannot be meant so, or if it is not called by `register` */
export async function guardInstance(instance: FastifyInstance, options: FastifyTicketOptions): Promise<void> {
  if (typeof instance?.addHook !== 'function' || typeof instance.decorateRequest !== 'function') {
    throw new TypeError(
      'requireTicket of orthrus/fastify is a plugin: await app.register(requireTicket, { service })',
    )
  }
  const gates = new RouteGates(options)
  if (!instance.hasDecorator(DECORATED)) {
    instance.decorate(DECORATED, true)
    instance.decorateRequest('ticket', { getter: ticketOfRequest })
  }
  instance.addHook('onRoute', ({ config }) => gates.check(config?.orthrus))
  if (gates.front.cors !== undefined && isWithinAnother(instance)) letBrowsersAsk(instance)
  instance.addHook('onRequest', (request, reply) => admit(gates, request, reply))
}

function ticketOfRequest(this: FastifyRequest): AcceptedTicket {
  const ticket = passedTicket(this.raw)
  if (ticket !== undefined) return ticket
  const why =
    whyWithoutTicket(this.raw, 'ticketIfAny(request)') ??
    "requireTicket has not let this request through: its route is 'unprotected', or the hook that asks runs before that of requireTicket"
  throw new TypeError(`request.ticket: ${why}`)
}

/** What is not found beneath a plugin is not found by the whole application, whose hooks are others. */
function isWithinAnother(instance: FastifyInstance): boolean {
  return 'addHook' in Object.getPrototypeOf(instance)
}

/** A browser asks with OPTIONS, which routes do not have by themselves. */
function letBrowsersAsk(instance: FastifyInstance): void {
  instance.addHook('onRoute', function (this: FastifyInstance, route) {
    const { method, url, routePath, prefixTrailingSlash } = route
    if ([method].flat().includes('OPTIONS') || this.hasRoute({ method: 'OPTIONS', url })) return
    this.route({
      method: 'OPTIONS',
      url: routePath === '' ? '/' : routePath,
      ...(prefixTrailingSlash && { prefixTrailingSlash }),
      handler: (_, reply) => reply.callNotFound(),
    })
  })
}

/**
 * Runs before anything that reads the body.
 * @returns the reply, if something else answered by it
 * @throws RequestRefused for Fastify's error handlers
 */
async function admit(gates: RouteGates, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { front, service } = gates
  const { cors } = front
  if (cors !== undefined && answerCors(cors, service, request.raw, reply.raw)) return reply.hijack()
  const gate = gates.of(request)
  if (gate !== 'unprotected' && !passesByOther(gate, request)) {
    return await requireOf(gate, front, request, reply)
  }
  allowPage(cors, request, reply)
  if (gate === 'unprotected' || gate.or === undefined) return undefined
  await gate.or(request, reply)
  if (reply.sent) return reply
  if (gate.permitsWithoutTicket) countRequest(gate, request.raw, request, request.ip)
  return undefined
}

/** Whether something else decides, or nothing does, since the request presents no ticket. */
function passesByOther(gate: RouteGate, request: FastifyRequest): boolean {
  if (gate.or !== undefined) return !mayPresentTicket(request.raw)
  return passesWithoutTicket(gate, request.raw, request, request.ip)
}

/** Where no gate sends the response, Fastify does, and takes its own headers before those of the response below. */
function allowPage(cors: CorsPolicy | undefined, { headers }: FastifyRequest, reply: FastifyReply): void {
  if (cors === undefined) return
  for (const [name, value] of headersForPage(cors, headers.origin)) reply.header(name, value)
}

/** @throws RequestRefused */
async function requireOf(
  gate: RouteGate,
  { targetOf }: Front<FastifyRequest>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const arrival = { req: request.raw, res: reply.raw, shown: request, targetOf }
  const decision = await decideRequest(gate, arrival)
  if (decision === undefined) {
    // Nobody is left to answer, so Fastify is to do nothing more.
    reply.hijack()
  } else if (!('proof' in decision)) {
    if (canRender(arrival.res)) refuse(gate, arrival, decision)
    refuseAtOnce(gate, arrival, decision)
    reply.hijack()
  }
}

/** @throws RequestRefused */
function refuse(gate: RouteGate, { req, res, shown }: Arrival<FastifyRequest>, refused: Refused): never {
  const { report } = gate.service
  const fail = (err: unknown): void => report({ kind: 'hook_failed', hook: 'an error handler', err })
  letRender(gate, req, res, refused, fail)
  tellRefused(gate, refused.refused, shown)
  throw new RequestRefused(refused)
}
