import { OrthrusError } from '../shared/errors.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import {
  type Principal,
  principalIn,
  type RealmName,
  realmOf,
  requireSameRealm,
} from '../shared/principal.js'
import { abortable, type Timers } from '../shared/timers.js'
import type { TicketCache } from './cache/ticket-cache.js'
import type { TicketSource } from './cache/ticket-source.js'
import type { KdcConnection } from './kdc-link/connection.js'
import type { RefusalMemory } from './kdc-link/refusal-memory.js'
import { type FetchOptions, fetchProved, type HttpExchanges } from './request/fetch.js'
import { collectRequest, readRequest, type UnreadInit, unreadInit } from './request/http-request.js'
import { importTicket, requireHolder, requireMadeFor, requirePresentable } from './ticket/imported-ticket.js'
import type { ServiceTicket } from './ticket/service-ticket.js'
import { secretsOf, type Ticket } from './ticket/ticket.js'

export interface TicketOptions {
  readonly signal?: AbortSignal
  /** The longest life of the ticket, milliseconds. Policy and the realm may allow less. */
  readonly lifetime?: number
}

const TICKET_OPTIONS: KnownOptions<TicketOptions> = { signal: true, lifetime: true }

/** What `import` and `onBehalf` take beside the credential. */
export interface ImportOptions {
  /**
   * Takes a credential that names no holder. Whoever handed it on knows its key: that party can answer in the
   * service's place, and so can everybody who sees the credential (docs/protocol.md section 8, "Hand-off").
   */
  readonly allowBearerCredential?: boolean
}

const IMPORT_OPTIONS: KnownOptions<ImportOptions> = { allowBearerCredential: true }

/** What `fetch` takes, and the service that it is for. */
export interface RealmFetchInit extends RequestInit {
  /** The service; by default the one that `connect`'s `services` names for the origin. */
  readonly service?: string
  /** In place of the realm's own ticket: one that was cut down, or that another party handed on. */
  readonly ticket?: Ticket
  /**
   * A ticket cut down `to` the service, for it to act with, as `ticket.onBehalf` of its handler. It travels sealed.
   */
  readonly handOff?: Ticket
  /** Whether the request does no harm when it is handled twice, though its method does not say so. */
  readonly repeatable?: boolean
  /** Of undici, as Node's own `fetch` takes it: what makes the connections. */
  readonly dispatcher?: unknown
}

const FETCH_OPTIONS: KnownOptions<RealmFetchInit & { readonly duplex?: 'half' }> = {
  service: true,
  ticket: true,
  handOff: true,
  repeatable: true,
  method: true,
  headers: true,
  body: true,
  signal: true,
  redirect: true,
  cache: true,
  credentials: true,
  dispatcher: true,
  duplex: true,
  integrity: true,
  keepalive: true,
  mode: true,
  priority: true,
  referrer: true,
  referrerPolicy: true,
  window: true,
}

/** Makes requests to one service in the name of a client that handed on a ticket for it. */
export interface Caller {
  /** The client in whose name it speaks. */
  readonly client: Principal
  readonly service: Principal
  /** Whether an answer proves the service, as `Ticket.serviceProved` says. */
  readonly serviceProved: boolean
  /**
   * As `Realm.fetch`. Whoever gave the credential chose its service, so name the one that you mean, as `service` or in
   * `services` of `connect`: a credential for another is then refused before anything is sent.
   */
  fetch(input: RequestInfo | URL, init?: Omit<RealmFetchInit, 'ticket'>): Promise<Response>
}

/** What a realm is made of. */
export interface RealmParts {
  readonly source: TicketSource
  /** Milliseconds of KDC time. */
  readonly now: () => number
  readonly connection: KdcConnection
  readonly refusals: RefusalMemory
  readonly tickets: TicketCache
  readonly http: HttpExchanges
  readonly timers: Timers
  /** Bytes of a request's body. */
  readonly maxRequest: number
  /** Services by origin. */
  readonly services: ReadonlyMap<string, Principal>
  /** How long an answer in the KDC's channel may take, milliseconds. */
  readonly callTimeout: number
}

/** For the other modules of the client. */
export let partsOf: (realm: Realm) => RealmParts
/** Runs the function when the realm is closed. @returns what takes that back. */
export let whenClosed: (realm: Realm, run: (cause: OrthrusError) => void) => () => void

/** A realm as one principal sees it: tickets for its services, and authenticated requests to them. */
export class Realm {
  /** Whose keys these are. */
  readonly client: Principal
  /** What a short name means. */
  readonly realm: RealmName
  readonly #parts: RealmParts
  readonly #closing = new Set<(cause: OrthrusError) => void>()
  #closed: OrthrusError | undefined

  constructor(parts: RealmParts) {
    this.client = parts.source.client
    this.realm = realmOf(this.client)
    this.#parts = parts
    // So that they work apart from the realm: const { fetch } = realm, or where another library is given realm.fetch.
    this.fetch = this.fetch.bind(this)
    this.getServiceTicket = this.getServiceTicket.bind(this)
    this.getTgt = this.getTgt.bind(this)
    this.import = this.import.bind(this)
    this.onBehalf = this.onBehalf.bind(this)
    this.close = this.close.bind(this)
  }

  static {
    partsOf = realm => realm.#parts
    whenClosed = (realm, run) => {
      realm.#closing.add(run)
      return () => realm.#closing.delete(run)
    }
  }

  /**
   * A ticket for a service, from the cache or the KDC. Cached until it ends, refreshed before that, and asked for
   * once however many ask; what is asked for in one tick goes to the KDC in one request.
   * @param service a short name means this realm.
   * @throws OrthrusError with the KDC's code, as `policy_denied`; `realm_mismatch` `unavailable`
   * @throws TypeError for what is no name or no lifetime
   */
  async getServiceTicket(service: string, options: TicketOptions = {}): Promise<ServiceTicket> {
    requireKnownOptions('getServiceTicket', options, TICKET_OPTIONS)
    const { lifetime = 0, signal } = options
    if (options.lifetime !== undefined && !(Number.isSafeInteger(lifetime) && lifetime > 0)) {
      throw new TypeError(`a lifetime is a whole number of milliseconds above 0, not ${lifetime}`)
    }
    const principal = this.#principal(service)
    this.#requireOpen()
    signal?.throwIfAborted()
    return abortable(this.#parts.tickets.get(principal, lifetime), signal)
  }

  /**
   * As the platform's `fetch`, but the service knows who asks, and the response is proved to be the service's
   * answer to this very request: its status, body, content type, range and location. The response is read whole
   * before it is handed out (docs/protocol.md section 8).
   * @throws OrthrusError with the service's or KDC's code; `response_unproved` `refused_unproved` `unavailable`.
   * `final` says that the request was not handled and never will be
   * @throws TypeError where no service is named for the origin, and for what `fetch` does not take
   */
  async fetch(input: RequestInfo | URL, init: RealmFetchInit = {}): Promise<Response> {
    requireKnownOptions('fetch', init, FETCH_OPTIONS)
    const { service: name, ticket: given, handOff, repeatable = false } = init
    const request = readRequest(input, init)
    const service = this.#serviceFor(request, name, given)
    const ticket = given ?? this.#heldFor(service)
    if (ticket !== undefined) requirePresentable(ticket, this.client)
    if (handOff !== undefined) requireMadeFor(handOff, service)
    this.#requireOpen()
    request.signal.throwIfAborted()
    const ending = new AbortController()
    const abort = (): void => ending.abort(request.signal.reason)
    request.signal.addEventListener('abort', abort, { once: true })
    const forget = whenClosed(this, cause => ending.abort(cause))
    try {
      return await this.#exchange(request, unreadInit(init), {
        service,
        ticket,
        handOff,
        repeatable,
        signal: ending.signal,
      })
    } finally {
      request.signal.removeEventListener('abort', abort)
      forget()
    }
  }

  /**
   * The ticket-granting ticket, to hand on a part of it: `(await realm.getTgt()).attenuate({ services: ['orders'] })`.
   * @throws OrthrusError with the KDC's code; `unavailable`
   */
  async getTgt(): Promise<Ticket> {
    this.#requireOpen()
    return this.#parts.source.tgt()
  }

  /**
   * A ticket from a credential that another party handed on, for `fetch`'s `ticket`. It must name this realm's client
   * as its holder, and is presented beside a ticket of the realm's own (docs/protocol.md section 8, "Hand-off").
   * @throws OrthrusError `credential_invalid` where it was cut off, altered, made for another principal, is of a TGT, or
   * names no holder and `allowBearerCredential` is not set; `realm_mismatch`
   * @throws TypeError for what is no text, and an option that does not exist
   */
  import(credential: string, options: ImportOptions = {}): Ticket {
    requireKnownOptions('import', options, IMPORT_OPTIONS)
    const ticket = importTicket(credential, this.#parts.now, !this.#parts.source.imported)
    requireSameRealm(this.realm, ticket.client)
    requirePresentable(ticket, this.client)
    if (options.allowBearerCredential !== true) requireHolder(ticket, this.client)
    return ticket
  }

  /** The same, as a caller in the name of the credential's client. @throws as `import` */
  onBehalf(credential: string, options: ImportOptions = {}): Caller {
    const ticket = this.import(credential, options)
    return {
      client: ticket.client,
      service: ticket.service,
      serviceProved: ticket.serviceProved,
      fetch: (input, init = {}) => this.fetch(input, { ...init, ticket }),
    }
  }

  /** Ends every timer and socket; what waits is rejected. Afterwards the realm is of no more use. */
  close(): void {
    if (this.#closed !== undefined) return
    const cause = new OrthrusError('unavailable', 'the realm was closed', { hint: 'call connect again' })
    this.#closed = cause
    for (const run of [...this.#closing]) run(cause)
    this.#closing.clear()
    this.#parts.tickets.close()
    this.#parts.connection.close(cause)
  }

  /** As `close`, for `using realm = await connect(...)`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** As `close`, for `await using realm = await connect(...)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #exchange(request: Request, unread: UnreadInit, options: FetchOptions): Promise<Response> {
    const { tickets, maxRequest, http } = this.#parts
    const { service, ticket, signal } = options
    // One's own ticket is asked for at once, so that requests of one tick share one request to the KDC.
    const needsOwn = ticket === undefined || secretsOf(ticket).holder !== undefined
    const own = needsOwn ? tickets.get(service, 0) : undefined
    const [collected] = await abortable(
      Promise.all([collectRequest(request, maxRequest, unread), own]),
      signal,
    )
    return fetchProved(http, collected, options)
  }

  #serviceFor(request: Request, name: string | undefined, ticket: Ticket | undefined): Principal {
    const { origin } = new URL(request.url)
    const presented = ticket ?? this.#parts.source.held
    const mapped = this.#parts.services.get(origin)
    // The map says who is there; a ticket from another party must not say otherwise.
    if (presented !== undefined && mapped !== undefined && presented.service !== mapped) {
      throw new TypeError(`the ticket is for ${presented.service}, and services maps ${origin} to ${mapped}`)
    }
    if (name === undefined) return presented?.service ?? this.#serviceAt(origin)
    const service = this.#principal(name)
    if (ticket === undefined || ticket.service === service) return service
    throw new TypeError(`the ticket is for ${ticket.service}, the request for ${service}`)
  }

  #heldFor(service: Principal): Ticket | undefined {
    const { held } = this.#parts.source
    return held?.service === service ? held : undefined
  }

  #serviceAt(origin: string): Principal {
    const service = this.#parts.services.get(origin)
    if (service !== undefined) return service
    throw new TypeError(
      `no service is named for ${origin}: pass { service: 'orders' } to fetch, or services: { '${origin}': 'orders' } to connect`,
    )
  }

  #principal(name: string): Principal {
    const principal = principalIn(this.realm, name)
    requireSameRealm(this.realm, principal)
    return principal
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }
}
