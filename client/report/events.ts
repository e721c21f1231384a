import type { ErrorCode, WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'

/** What a client does, as a closed union of plain values without secrets. Each event is told once, where it happens. */
export type ClientEvent =
  | TicketAskedEvent
  | TicketGrantedEvent
  | TicketRefusedEvent
  | TicketRefreshedEvent
  | RefreshFailedEvent
  | CallPresentedEvent
  | AnswerProvedEvent
  | AnswerUnprovedEvent
  | CallRefusedEvent
  | CallRetriedEvent
  | CallFailedEvent
  | KdcFoundEvent
  | KdcLeftEvent
  | KdcDiffersEvent
  | KdcLostEvent
  | HookFailedEvent

/** Whose event it is, in what listeners other than the client's own log get. */
export interface OfClient {
  /** As whom the realm was connected; undefined before that is known. */
  readonly principal: Principal | undefined
}

/** What `onEvent` of `connect` and the channels of `node:diagnostics_channel` get. */
export type ClientTelemetryEvent = ClientEvent & OfClient

/** Calls every listener. */
export type ClientReport = (event: ClientEvent) => void

export type KdcExchange = 'AS' | 'TGS'

/** The KDC is asked for tickets, by a login (AS) or under a ticket-granting ticket (TGS). */
export interface TicketAskedEvent {
  readonly kind: 'ticket_asked'
  readonly exchange: KdcExchange
  readonly client: Principal
  /** Empty for a login alone. */
  readonly services: readonly Principal[]
}

/** The KDC granted a ticket. */
export interface TicketGrantedEvent {
  readonly kind: 'ticket_granted'
  readonly exchange: KdcExchange
  readonly client: Principal
  readonly service: Principal
  /** Hex: the KDC's log and the service name it too. */
  readonly ticketId: string
  /** Milliseconds of KDC time. */
  readonly endTime: number
}

/** The KDC refused a ticket for one service, or all that were asked for; or none could be reached (`unavailable`). */
export interface TicketRefusedEvent {
  readonly kind: 'ticket_refused'
  readonly exchange: KdcExchange
  readonly client: Principal
  readonly services: readonly Principal[]
  readonly code: ErrorCode
  readonly reason: string
  /** The URL of the KDC that refused, or could not be reached; undefined if that was each of several, which `reason` names. */
  readonly kdc: string | undefined
  /** By which `orthrus admin why --id` explains it, if the KDC knows it. */
  readonly refusal: string | undefined
}

/** A newer ticket took the place of one that is kept. */
export interface TicketRefreshedEvent {
  readonly kind: 'ticket_refreshed'
  readonly client: Principal
  readonly service: Principal
  readonly ticketId: string
  /** The ticket that is used no more. */
  readonly replaced: string
  readonly endTime: number
}

/** A ticket could not be refreshed. It is used until its end. */
export interface RefreshFailedEvent {
  readonly kind: 'refresh_failed'
  readonly client: Principal
  readonly service: Principal
  readonly ticketId: string
  readonly endTime: number
  /** Whether it is tried again. */
  readonly again: boolean
  readonly cause: unknown
}

/** A request to a service, or the opening of a channel. */
export interface CallFields {
  readonly service: Principal
  /** In whose name it is made. */
  readonly client: Principal
  /** This client, if it presents the ticket of another. */
  readonly via: Principal | undefined
  /** The client's ticket, hex; undefined if another party handed it on, since its credential does not say. */
  readonly ticketId: string | undefined
  /** This client's own ticket, if it presents that of another. */
  readonly viaTicketId: string | undefined
  /** `CHANNEL` if it opens a channel. */
  readonly method: string
  /** Where it goes: `http://127.0.0.1:8080`. Undefined for a channel to the KDC. */
  readonly origin: string | undefined
  /** Without the query, and cut to a bounded length. */
  readonly path: string | undefined
}

/** It is about to be sent. */
export interface CallPresentedEvent extends CallFields {
  readonly kind: 'call_presented'
}

/** The answer is proved. */
export interface AnswerProvedEvent extends CallFields {
  readonly kind: 'answer_proved'
  /** Undefined for a channel. */
  readonly status: number | undefined
  /** Since it was sent, milliseconds. */
  readonly duration: number
}

/** `allowUnprotected` let an answer pass that nothing proves. */
export interface AnswerUnprovedEvent extends Omit<AnswerProvedEvent, 'kind'> {
  readonly kind: 'answer_unproved'
}

/** The service refused it, or somebody says so in its name. */
export interface CallRefusedEvent extends CallFields {
  readonly kind: 'call_refused'
  readonly code: WireCode
  /** Whether the refusal is the service's. Anybody can write one that is not proved. */
  readonly proved: boolean
  /** By which the log of the service names it too. Hex. */
  readonly refusal: string
}

/** It is sent a second time. */
export interface CallRetriedEvent extends CallFields {
  readonly kind: 'call_retried'
  readonly code: WireCode
  /** As new bytes, which can be handled only once, or as the same. */
  readonly as: 'renewed' | 'same'
  /** After how many milliseconds. */
  readonly wait: number
}

/** No answer came, or none that is proved. It may have been handled. */
export interface CallFailedEvent extends CallFields {
  readonly kind: 'call_failed'
  /** Undefined if the caller gave up. */
  readonly code: ErrorCode | undefined
  readonly reason: string
}

/** A KDC answers. */
export interface KdcFoundEvent {
  readonly kind: 'kdc_found'
  /** Its URL, without name and password. */
  readonly kdc: string
}

/** Of several KDCs this one failed, and another one is asked from now on. */
export interface KdcLeftEvent {
  readonly kind: 'kdc_left'
  readonly kdc: string
  readonly cause: unknown
}

/**
 * Of several KDCs this one refused, without proof, what another one answers: it is of another realm or version, or has
 * other data. Told once an hour.
 */
export interface KdcDiffersEvent {
  readonly kind: 'kdc_differs'
  readonly kdc: string
  /** What it said, which anybody could say in its place. */
  readonly code: WireCode
  /** The one whose answer is used. */
  readonly other: string
}

/** No KDC answers. What is asked fails until one does. Told once until then. */
export interface KdcLostEvent {
  readonly kind: 'kdc_lost'
  readonly cause: unknown
}

/** A function that the owner gave to `connect` threw. Each is told once. */
export interface HookFailedEvent {
  readonly kind: 'hook_failed'
  /** `onEvent` or `tracing`. */
  readonly hook: string
  readonly err: unknown
}
