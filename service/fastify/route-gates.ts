import type { FastifyRequest } from 'fastify'
import { copyOptions, type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { bothGates } from '../request/both-gates.js'
import { createGate, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import { REQUIREMENT_OPTIONS, type RequirementOptions } from '../request/requirements.js'

type Options = RequireTicketOptions<FastifyRequest>
export type RouteGate = TicketGate<FastifyRequest>

/**
 * What a route requires beside what the plugin does. Limits take the place of the plugin's, and of `bodyLimit`;
 * `permitWithoutTicket` takes the place of the plugin's too, either way.
 */
export interface RouteTicketOptions
  extends RequirementOptions,
    Pick<
      Options,
      'requireCovered' | 'coverResponseHeaders' | 'maxBody' | 'maxResponse' | 'permitWithoutTicket'
    > {}

const KNOWN: KnownOptions<RouteTicketOptions> = {
  ...REQUIREMENT_OPTIONS,
  requireCovered: true,
  coverResponseHeaders: true,
  maxBody: true,
  maxResponse: true,
  permitWithoutTicket: true,
}

/** What a route says of itself in `config.orthrus`. */
export type RouteTicketConfig = RouteTicketOptions | 'unprotected'

/** The gates of the routes of one plugin. */
export class RouteGates {
  readonly #options: Options
  readonly #plugin: RouteGate
  /** By the config of the route, which is an object of its own for each. */
  readonly #made = new WeakMap<object, RouteGate | 'unprotected'>()

  /** @throws TypeError if an option does not exist, or cannot be meant so */
  constructor(options: Options) {
    this.#options = options
    this.#plugin = createGate(options)
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
      maxBody: config?.maxBody ?? this.#options.maxBody ?? bodyLimit ?? gate.maxBody,
      maxResponse: config?.maxResponse ?? gate.maxResponse,
      permitsWithoutTicket: config?.permitWithoutTicket ?? gate.permitsWithoutTicket,
    }
  }

  #ownGate(config: RouteTicketOptions): RouteGate {
    requireKnownOptions<RouteTicketOptions>('config.orthrus of a route', config, KNOWN)
    return createGate({ ...copyOptions(config, KNOWN), service: this.#options.service })
  }
}
