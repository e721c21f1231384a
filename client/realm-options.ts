import type { Channel } from '../shared/channel/channel.js'
import type { KnownOptions } from '../shared/options.js'
import type { Principal } from '../shared/principal.js'
import type { RealmResponse } from './request/http-response.js'
import type { OpenChannelOptions } from './service-channel/options.js'
import type { Ticket } from './ticket/ticket.js'

export interface TicketOptions {
  readonly signal?: AbortSignal
  /** The longest life wanted for the ticket, milliseconds. Policy and the realm may allow less. */
  readonly lifetime?: number
}

export const TICKET_OPTIONS: KnownOptions<TicketOptions> = { signal: true, lifetime: true }

/** The options of `import` and `onBehalf`. */
export interface ImportOptions {
  /**
   * Accepts a credential that names no holder. Whoever handed it on knows its key and can answer in the service's
   * place, and so can everybody who sees the credential (docs/protocol.md section 8, "Hand-off").
   */
  readonly allowBearerCredential?: boolean
}

export const IMPORT_OPTIONS: KnownOptions<ImportOptions> = { allowBearerCredential: true }

/** The options of `Realm.fetch`: those of `fetch`, and which service and tickets to use. */
export interface RealmFetchInit extends Omit<RequestInit, 'dispatcher'> {
  /**
   * The service. Default: the one that the option `services` of `connect` names for the origin, or that of a `ticket`
   * from `getServiceTicket`. A ticket that another party handed on needs one of the first two.
   */
  readonly service?: string
  /** Used instead of the realm's own ticket: one that was cut down, or that another party handed on. */
  readonly ticket?: Ticket
  /**
   * A ticket cut down `to` the service, so that it can act for this client: `ticket.onBehalf` in its handler. It is
   * sent sealed.
   */
  readonly handOff?: Ticket
  /** Set it if handling the request twice does no harm although its method does not imply that. */
  readonly repeatable?: boolean
  /**
   * Further headers that must not be changed on the way: the service refuses the request if one of them was changed,
   * added or removed (docs/protocol.md section 8, Further headers). At most 32 names, such as `['idempotency-key']`. One
   * that the platform would fill in by itself needs a value in `headers`.
   */
  readonly cover?: readonly string[]
  /**
   * Seals the body of the request while it is sent, and takes no response but a sealed one: neither is collected, so both can
   * stream, at any size, and both are encrypted even without TLS. Each piece of the response is proved before it is read; if
   * the rest is not, reading it fails with `channel_broken`. Such a request with a body is never sent again by this client
   * (docs/protocol.md section 8, Sealed bodies). Default false.
   */
  readonly sealed?: boolean
  /** An undici dispatcher, as Node's own `fetch` accepts it: it makes the connections. */
  readonly dispatcher?: unknown
}

export const FETCH_OPTIONS: KnownOptions<RealmFetchInit & { readonly duplex?: 'half' }> = {
  service: true,
  ticket: true,
  handOff: true,
  repeatable: true,
  cover: true,
  sealed: true,
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

const { ticket: _, ...others } = FETCH_OPTIONS

/** The options of `Realm.agent`: those of `Realm.fetch` that hold for all requests of an agent. */
export type AgentOptions = Pick<RealmFetchInit, 'service' | 'ticket' | 'handOff' | 'cover' | 'sealed'>

export const AGENT_OPTIONS: KnownOptions<AgentOptions> = {
  service: true,
  ticket: true,
  handOff: true,
  cover: true,
  sealed: true,
}

/** The options of `Caller.fetch`, whose ticket is the caller's. */
export const CALLER_FETCH_OPTIONS: KnownOptions<Omit<RealmFetchInit, 'ticket'>> = others

/** Makes requests to one service on behalf of a client that handed on a ticket for it. */
export interface Caller {
  /** The client that handed on the ticket. */
  readonly client: Principal
  /** The service that the credential is for, as whoever gave it chose. */
  readonly service: Principal
  /** Whether an answer proves the service, as `Ticket.serviceProved` says. */
  readonly serviceProved: boolean
  /**
   * Works like `Realm.fetch`. Whoever gave the credential chose its service, so the one that is meant must be named:
   * by `service` here, or by `services` of `connect`. Nothing is sent if the credential is for another one.
   * @throws OrthrusError `credential_invalid` if the credential is for another service. @throws TypeError if none is
   * named
   */
  fetch(input: string | URL | Request, init?: Omit<RealmFetchInit, 'ticket'>): Promise<RealmResponse>
  /** Works like `Realm.openChannel`, under the credential. The service must be named as for `fetch`. */
  openChannel(url: string | URL, options?: Omit<OpenChannelOptions, 'ticket'>): Promise<Channel>
}
