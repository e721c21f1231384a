/** `orthrus/fastify`: protects the routes of a Fastify application. */

import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { guardInstance } from './fastify/plugin.js'
import type { FastifyTicketOptions, RouteTicketConfig } from './fastify/route-gates.js'
import { passedTicket } from './node-http/guard.js'
import type { AcceptedTicket } from './request/ticket.js'

export { OrthrusError } from '../shared/errors.js'
export { injectFetch } from './fastify/inject.js'
export type {
  FastifyTicketOptions as RequireTicketOptions,
  OtherHook,
  RouteTicketConfig,
  RouteTicketOptions,
} from './fastify/route-gates.js'
export type { CorsOptions } from './request/cors.js'
export type { AppCaveatChecker, CaveatValue } from './request/options.js'
export type { RefusedRequest } from './request/refuse.js'
export { RequestRefused } from './request/request-refused.js'
export type { AcceptedTicket } from './request/ticket.js'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The ticket of a request that `requireTicket` let through.
     * @throws TypeError that says why, if there is none
     */
    readonly ticket: AcceptedTicket
  }
  interface FastifyContextConfig {
    /** What `requireTicket` requires of this route beside what the plugin does; or `'unprotected'`: anybody may call it. */
    orthrus?: RouteTicketConfig
  }
}

/**
 * The ticket of a request that `requireTicket` let through; `undefined` if it had none and `permitWithoutTicket` let it
 * pass, or if its route is `'unprotected'` or has `or`.
 */
export function ticketIfAny({ raw }: Pick<FastifyRequest, 'raw'>): AcceptedTicket | undefined {
  return passedTicket(raw)
}

/**
 * The plugin: `await app.register(requireTicket, { service })`. It guards every route of the instance that it is registered
 * on and of the plugins within it, those that were there before and the 404 handler included. A request reaches their hooks
 * after `onRequest`, their parsers and their handlers only if it passes all ten checks of docs/protocol.md section 8, with
 * the bytes of its body that were verified; and whatever goes out in the end is proved to its client.
 *
 * A refused request goes to Fastify's error handlers as a `RequestRefused`. `onRefused` is called before them. The body
 * of a request may have `bodyLimit` bytes, of Fastify or of the route, unless `maxBody` says otherwise.
 * @throws TypeError from `register` or `ready`, if an option does not exist or cannot be meant so
 */
export const requireTicket: FastifyPluginAsync<FastifyTicketOptions> = Object.assign(guardInstance, {
  // What the package fastify-plugin would set: the hooks are those of the instance, not of a scope of the plugin's own.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'orthrus',
  [Symbol.for('plugin-meta')]: { fastify: '5.x', name: 'orthrus' },
})
