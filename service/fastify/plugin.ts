import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Arrival, decideRequest, passedTicket, refuseAtOnce } from '../node-http/guard.js'
import { letRender } from '../node-http/refusal.js'
import { passesWithoutTicket } from '../node-http/without-ticket.js'
import { type RequireTicketOptions, tellRefused } from '../request/options.js'
import type { Refused } from '../request/refuse.js'
import { RequestRefused } from '../request/request-refused.js'
import type { AcceptedTicket } from '../request/ticket.js'
import { whyWithoutTicket } from '../request/without-ticket.js'
import { canRender } from '../response/refusal.js'
import { type RouteGate, RouteGates } from './route-gates.js'

const DECORATED = Symbol('orthrus: request.ticket')

/** @throws TypeError if an option does not exist or cannot be meant so, or if it is not called by `register` */
export async function guardInstance(
  instance: FastifyInstance,
  options: RequireTicketOptions<FastifyRequest>,
): Promise<void> {
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

/** Runs before anything that reads the body. @throws RequestRefused for Fastify's error handlers */
async function admit(gates: RouteGates, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const gate = gates.of(request)
  if (gate === 'unprotected' || passesWithoutTicket(gate, request.raw, request, request.ip)) return
  const arrival = { req: request.raw, res: reply.raw, shown: request }
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
