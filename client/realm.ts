/// <reference lib="esnext.disposable" preserve="true" />
import { agentOver } from '#agent'
import type { Channel } from '../shared/channel/channel.js'
import type { OrthrusError } from '../shared/errors.js'
import { copyOptions, requireKnownOptions } from '../shared/options.js'
import { type Principal, type RealmName, realmOf, requireSameRealm } from '../shared/principal.js'
import { shown } from '../shared/shown-text.js'
import { abortable, type Timers } from '../shared/timers.js'
import type { Composable } from './agent/dispatching.js'
import type { TicketCache } from './cache/ticket-cache.js'
import type { TicketSource } from './cache/ticket-source.js'
import { Closing } from './closing.js'
import type { KdcConnection } from './kdc-link/connection.js'
import type { RefusalMemory } from './kdc-link/refusal-memory.js'
import type { RealmMetrics } from './metrics.js'
import {
  AGENT_OPTIONS,
  type AgentOptions,
  CALLER_FETCH_OPTIONS,
  type Caller,
  FETCH_OPTIONS,
  IMPORT_OPTIONS,
  type ImportOptions,
  type RealmFetchInit,
  TICKET_OPTIONS,
  type TicketOptions,
} from './realm-options.js'
import type { ClientTelemetry } from './report/telemetry.js'
import { isStream } from './request/body.js'
import { type FetchOptions, fetchProved, type HttpExchanges } from './request/fetch.js'
import { collectRequest, readRequest, unreadInit } from './request/http-request.js'
import type { RealmResponse } from './request/http-response.js'
import type { Presenter } from './request/presenter.js'
import { requestedService, serviceNamed } from './request/requested-service.js'
import type { ChannelParts } from './service-channel/open.js'
import {
  CALLER_CHANNEL_OPTIONS,
  CHANNEL_OPTIONS,
  type OpenChannelOptions,
} from './service-channel/options.js'
import { importTicket, requireHolder, requireMadeFor, requirePresentable } from './ticket/imported-ticket.js'
import type { ServiceTicket } from './ticket/service-ticket.js'
import { secretsOf, type Ticket } from './ticket/ticket.js'

/** The parts of a realm. */
export interface RealmParts {
  readonly source: TicketSource
  /** Milliseconds of KDC time. */
  readonly now: () => number
  readonly connection: KdcConnection
  readonly telemetry: ClientTelemetry
  /** Opens a stream over the connection. */
  readonly openStream: KdcConnection['openStream']
  readonly refusals: RefusalMemory
  readonly tickets: TicketCache
  readonly presenter: Presenter
  readonly http: HttpExchanges
  readonly channels: ChannelParts
  readonly timers: Timers
  /** The largest request body, bytes. */
  readonly maxRequest: number
  /** Services by origin. */
  readonly services: ReadonlyMap<string, Principal>
  /** How long the answer to a call on the KDC's channel may take, milliseconds. */
  readonly callTimeout: number
}

/** For the other modules of the client. */
export let partsOf: (realm: Realm) => RealmParts
/** Runs the function when the realm is closed. @returns a function that cancels this */
export let whenClosed: (realm: Realm, run: (cause: OrthrusError) => void) => () => void

/** A realm as one principal sees it: tickets for its services, and authenticated requests to them. */
export class Realm {
  /** The principal that this realm was connected as. */
  readonly client: Principal
  /** The realm of short names. */
  readonly realm: RealmName
  readonly #parts: RealmParts
  readonly #closing = new Closing()

  constructor(parts: RealmParts) {
    this.client = parts.source.client
    this.realm = realmOf(this.client)
    this.#parts = parts
    // Bound, so that they work without the realm: const { fetch } = realm, or realm.fetch given to a library.
    this.fetch = this.fetch.bind(this)
    this.agent = this.agent.bind(this)
    this.openChannel = this.openChannel.bind(this)
    this.getServiceTicket = this.getServiceTicket.bind(this)
    this.getTgt = this.getTgt.bind(this)
    this.import = this.import.bind(this)
    this.onBehalf = this.onBehalf.bind(this)
    this.metrics = this.metrics.bind(this)
    this.logout = this.logout.bind(this)
    this.close = this.close.bind(this)
  }

  static {
    partsOf = realm => realm.#parts
    whenClosed = (realm, run) => realm.#closing.whenClosed(run)
  }

  /**
   * A ticket for a service, from the cache or the KDC. It is cached and refreshed before it ends. Concurrent calls for
   * the same ticket share one request, and all tickets wanted in one tick are requested together.
   * @param service a name without a realm means this realm
   * @throws OrthrusError with the KDC's code, such as `policy_denied`; `realm_mismatch` `unavailable`
   * @throws TypeError for an invalid name or lifetime
   */
  async getServiceTicket(service: string, options: TicketOptions = {}): Promise<ServiceTicket> {
    requireKnownOptions('getServiceTicket', options, TICKET_OPTIONS)
    const { lifetime = 0, signal } = options
    if (options.lifetime !== undefined && !(Number.isSafeInteger(lifetime) && lifetime > 0)) {
      throw new TypeError(`a lifetime is a whole number of milliseconds above 0, not ${shown(lifetime)}`)
    }
    const principal = serviceNamed(this.realm, service)
    this.#closing.requireOpen()
    signal?.throwIfAborted()
    return abortable(this.#parts.tickets.get(principal, lifetime), signal)
  }

  /**
   * Works like the platform's `fetch`, but the service knows which client asks, and the response is proved to be the
   * service's answer to this request: its status, body, content type, range and location, and the headers that its
   * `covered` names. The whole response is read before it is returned, unless it is `sealed` (docs/protocol.md section 8).
   * @throws OrthrusError with the service's or KDC's code; `response_unproved` `refused_unproved` `unavailable`;
   * `credential_invalid` for an imported ticket of another service than the one named. `final` says that the request
   * was not handled and never will be
   * @throws TypeError if no service is named for the origin, and for arguments that `fetch` does not accept
   */
  async fetch(input: string | URL | Request, options: RealmFetchInit = {}): Promise<RealmResponse> {
    requireKnownOptions('fetch', options, FETCH_OPTIONS)
    const init = copyOptions<RealmFetchInit>(options, FETCH_OPTIONS)
    const { service: name, ticket: given, handOff, repeatable = false, cover, sealed } = init
    const request = readRequest(input, init, { cover, sealed })
    if (cover !== undefined || sealed === true) {
      const { coverFurther } = await import('./request/cover.js')
      coverFurther(request.headers, { cover, sealed })
    }
    const service = this.#serviceFor(new URL(request.url).origin, name, given)
    const ticket = this.#presentableFor(service, given)
    if (handOff !== undefined) requireMadeFor(handOff, service)
    this.#closing.requireOpen()
    request.signal.throwIfAborted()
    const chosen = { service, ticket, handOff, repeatable }
    return this.#closing.during(request.signal, (signal, prolong) =>
      this.#exchange(request, init, { ...chosen, signal, prolong }),
    )
  }

  /**
   * A dispatcher of undici whose requests are those of `fetch`: for undici's `request`, `stream` and `pipeline`, for
   * libraries that take a dispatcher, and for `fetch(url, { dispatcher })`. Errors are those of `fetch` here; the
   * platform's `fetch` has them as the cause of its own. Redirects are left to whoever asks. Nothing is handed on of
   * 1xx answers and trailers, because no proof covers them, and no connection is upgraded.
   * @param dispatcher makes the connections, such as `new Agent()` of undici 7, and is closed by its owner
   * @throws TypeError for something else, and for an unknown option
   */
  agent<Composed>(dispatcher: Composable<Composed>, options: AgentOptions = {}): Composed {
    requireKnownOptions('agent', options, AGENT_OPTIONS)
    const own = copyOptions(options, AGENT_OPTIONS)
    return agentOver({ fetch: (url, init) => this.fetch(url, { ...init, ...own }) }, dispatcher)
  }

  /**
   * Opens a channel to a service, at the URL where it calls `acceptChannels`: messages both ways, encrypted and proved,
   * until the ticket ends or both sides have (docs/protocol.md section 9).
   * @param url `ws:`, `wss:` or, for a service on a plain socket, `tcp://host:port` or `unix:/path`
   * @throws OrthrusError with the service's or KDC's code; `refused_unproved` `unavailable` `channel_broken`;
   * `credential_invalid` as `fetch` does
   * @throws TypeError if no service is named for the origin, and for a URL or options that cannot be meant so
   */
  async openChannel(url: string | URL, options: OpenChannelOptions = {}): Promise<Channel> {
    requireKnownOptions('openChannel', options, CHANNEL_OPTIONS)
    const { service: name, ticket: given, signal: own, ...limits } = copyOptions(options, CHANNEL_OPTIONS)
    // Most programs open none, and a page would have a fifth more to load.
    const { channelLimits, openChannelAt, placeOf } = await import('./service-channel/open.js')
    const place = placeOf(url)
    const service = this.#serviceFor(place.origin, name, given)
    const ticket = this.#presentableFor(service, given)
    const choice = { ...channelLimits(limits), place, service, ticket }
    this.#closing.requireOpen()
    own?.throwIfAborted()
    const whenClosed = (end: (cause: OrthrusError) => void): (() => void) => this.#closing.whenClosed(end)
    return this.#closing.during(own ?? new AbortController().signal, signal =>
      openChannelAt(this.#parts.channels, { ...choice, signal, whenClosed }),
    )
  }

  /**
   * The ticket-granting ticket, so that a part of it can be handed on:
   * `(await realm.getTgt()).attenuate({ services: ['orders'] })`.
   * @throws OrthrusError with the KDC's code; `unavailable`
   */
  async getTgt(): Promise<Ticket> {
    this.#closing.requireOpen()
    return this.#parts.source.tgt()
  }

  /**
   * Makes a ticket from a credential that another party handed on, for the option `ticket` of `fetch`, which must be
   * told the service. It must name this realm's client as its holder, and is presented beside the realm's own ticket
   * (docs/protocol.md section 8, "Hand-off").
   * @throws OrthrusError `credential_invalid` if it is truncated, altered, made for another principal, of a TGT, or
   * names no holder while `allowBearerCredential` is not set; `realm_mismatch`
   * @throws TypeError if it is not a string, and for an unknown option
   */
  import(credential: string, options: ImportOptions = {}): Ticket {
    requireKnownOptions('import', options, IMPORT_OPTIONS)
    const ticket = importTicket(credential, this.#parts.now, !this.#parts.source.imported)
    requireSameRealm(this.realm, ticket.client)
    requirePresentable(ticket, this.client)
    if (options.allowBearerCredential !== true) requireHolder(ticket, this.client)
    return ticket
  }

  /** Imports a credential. @returns a caller that acts on behalf of its client. @throws as `import` does */
  onBehalf(credential: string, options: ImportOptions = {}): Caller {
    const ticket = this.import(credential, options)
    return {
      client: ticket.client,
      service: ticket.service,
      serviceProved: ticket.serviceProved,
      fetch: async (input, init = {}) => {
        requireKnownOptions('fetch', init, CALLER_FETCH_OPTIONS)
        return this.fetch(input, { ...copyOptions(init, CALLER_FETCH_OPTIONS), ticket })
      },
      openChannel: async (url, options = {}) => {
        requireKnownOptions('openChannel', options, CALLER_CHANNEL_OPTIONS)
        return this.openChannel(url, { ...copyOptions(options, CALLER_CHANNEL_OPTIONS), ticket })
      },
    }
  }

  /** What it has done and holds, as numbers: for what collects metrics (docs/telemetry.md). */
  metrics(): RealmMetrics {
    const { telemetry, tickets, connection } = this.#parts
    return Object.freeze({
      events: Object.freeze({ ...telemetry.counts }),
      refusedTickets: telemetry.refusedTickets.all,
      refusedCalls: telemetry.refusedCalls.all,
      tickets: tickets.size,
      kdcConnected: connection.isConnected,
    })
  }

  /**
   * Erases the login that the realm goes by, if it is kept (`login` or `keepLogin` of `connect`), and closes the realm. In a
   * browser the realms of all pages of this origin that go by it are closed. It ends no ticket: whoever copied one can use it until its end.
   * @throws OrthrusError `login_invalid` if it cannot be erased
   */
  async logout(): Promise<void> {
    await this.#parts.source.logout?.()
    this.close()
  }

  /** Stops every timer, closes every socket and rejects what is pending. The realm cannot be used afterwards. */
  close(): void {
    const cause = this.#closing.close()
    if (cause === undefined) return
    this.#parts.tickets.close()
    this.#parts.connection.close(cause)
  }

  /** Calls `close`, for `using realm = await connect(...)`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Calls `close`, for `await using realm = await connect(...)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #exchange(request: Request, init: RealmFetchInit, options: FetchOptions): Promise<RealmResponse> {
    const { tickets, maxRequest, presenter, http } = this.#parts
    const { service, ticket, signal } = options
    // The own ticket is requested at once, so that all tickets wanted in one tick share one request to the KDC.
    const needsOwn = ticket === undefined || secretsOf(ticket).holder !== undefined
    const own = needsOwn ? tickets.get(service, 0) : undefined
    const collecting = {
      maxBytes: maxRequest,
      unread: unreadInit(init),
      sealed: init.sealed ?? false,
      isStreamed: isStream(init.body),
    }
    const [collected] = await abortable(Promise.all([collectRequest(request, collecting), own]), signal)
    return fetchProved(presenter, http, collected, options)
  }

  #serviceFor(origin: string, name: string | undefined, ticket: Ticket | undefined): Principal {
    const { source, services } = this.#parts
    const service = name === undefined ? undefined : serviceNamed(this.realm, name)
    return requestedService({ origin, service, ticket, held: source.held }, services)
  }

  /** @throws OrthrusError `credential_invalid` for a ticket that this client cannot present */
  #presentableFor(service: Principal, given: Ticket | undefined): Ticket | undefined {
    const ticket = given ?? this.#heldFor(service)
    if (ticket !== undefined) requirePresentable(ticket, this.client)
    return ticket
  }

  #heldFor(service: Principal): Ticket | undefined {
    const { held } = this.#parts.source
    return held?.service === service ? held : undefined
  }
}
