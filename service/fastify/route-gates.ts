import type { FastifyReply, FastifyRequest } from 'fastify'
import { copyOptions, type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { targetOf } from '../node-http/request.js'
import { bothGates } from '../request/both-gates.js'
import { createFront, FRONT_OPTIONS, type Front, type FrontOptions } from '../request/front-options.js'
import { createGate, KNOWN_BY_GATES, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import { REQUIREMENT_OPTIONS, type RequirementOptions } from '../request/requirements.js'
import type { ServiceParts } from '../request/service.js'

/** Options of the plugin. */
export interface FastifyTicketOptions
  extends RequireTicketOptions<FastifyRequest>,
    FrontOptions<FastifyRequest> {}

const KNOWN_BY_PLUGIN: KnownOptions<FastifyTicketOptions> = { ...KNOWN_BY_GATES, ...FRONT_OPTIONS }

export interface RouteGate extends TicketGate<FastifyRequest> {
  /** What decides on a request that presents no ticket. */
  readonly or: OtherHook | undefined
}

/** An `onRequest` hook: it throws, or answers, or lets a request pass. */
export type OtherHook = (request: FastifyRequest, reply: FastifyReply) => unknown

/**
 * What a route requires beside what the plugin does. Limits take the place of the plugin's, and of `bodyLimit`;
 * `permitWithoutTicket` takes the place of the plugin's too, either way.
 */
export interface RouteTicketOptions
  extends RequirementOptions,
    Pick<
      FastifyTicketOptions,
      'requireCovered' | 'coverResponseHeaders' | 'maxBody' | 'maxResponse' | 'permitWithoutTicket'
    > {
  /**
   * An asynchronous `onRequest` hook that decides on a request that presents no ticket, as one with an API key. Whoever
   * presents a ticket, be it a bad one, is checked in full and never falls through to it. What it lets pass has no ticket:
   * `ticketIfAny(request)` is undefined there, and the response carries no proof. Default: such a request is refused.
   * With `permitWithoutTicket` it is counted.
   */
  readonly or?: OtherHook
}

const KNOWN: KnownOptions<RouteTicketOptions> = {
  ...REQUIREMENT_OPTIONS,
  requireCovered: true,
  coverResponseHeaders: true,
  maxBody: true,
  maxResponse: true,
  permitWithoutTicket: true,
  or: true,
}

/** What a route says of itself in `config.orthrus`. */
export type RouteTicketConfig = RouteTicketOptions | 'unprotected'

/** The gates of the routes of one plugin. */
export class RouteGates {
  readonly #options: FastifyTicketOptions
  readonly #plugin: TicketGate<FastifyRequest>
  readonly front: Front<FastifyRequest>
  /** By the config of the route, which is an object of its own for each. */
  readonly #made = new WeakMap<object, RouteGate | 'unprotected'>()

  /** @throws TypeError if an option does not exist, or cannot be meant so */
  constructor(options: FastifyTicketOptions) {
    this.#options = options
    this.#plugin = createGate(options, KNOWN_BY_PLUGIN)
    this.front = createFront(options, this.#plugin, ({ raw }) => targetOf(raw))
  }

  get service(): ServiceParts {
    return this.#plugin.service
  }

  /** @throws TypeError if what a route says of itself cannot be meant so */
  check(config: RouteTicketConfig | undefined): void {
    this.#gateFor(config, undefined)
  }

  /** @throws TypeError as `check`, for a route that was added before the plugin could look at it */
  of({ routeOptions: { config, bodyLimit } }: FastifyRequest): RouteGate | 'unprotected' {
    const known = this.#made.get(config)
    if (known !== undefined) return known
    const gate = this.#gateFor(config.orthrus, bodyLimit)
    this.#made.set(config, gate)
    return gate
  }

  /** @param bodyLimit of the route, bytes */
  #gateFor(config: RouteTicketConfig | undefined, bodyLimit: number | undefined): RouteGate | 'unprotected' {
    if (config === 'unprotected') return config
    const own = config === undefined ? undefined : this.#ownGate(config)
    const gate = own === undefined ? this.#plugin : bothGates(this.#plugin, own)
    return {
      ...gate,
      or: config?.or,
      maxBody: config?.maxBody ?? this.#options.maxBody ?? bodyLimit ?? gate.maxBody,
      maxResponse: config?.maxResponse ?? gate.maxResponse,
      permitsWithoutTicket: config?.permitWithoutTicket ?? gate.permitsWithoutTicket,
    }
  }

  #ownGate(config: RouteTicketOptions): TicketGate<FastifyRequest> {
    requireKnownOptions<RouteTicketOptions>('config.orthrus of a route', config, KNOWN)
    const { or, ...own } = copyOptions(config, KNOWN)
    if (or !== undefined && typeof or !== 'function') {
      throw new TypeError('or in config.orthrus of a route is an asynchronous function of request and reply')
    }
    return createGate({ ...own, service: this.#options.service })
  }
}
