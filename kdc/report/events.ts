import type { PolicyRule } from '../../shared/channel/administration.js'
import type { ErrorFacts, WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Failure } from './failure.js'

/**
 * What a KDC does, as one closed union of plain values. Each thing is told once, where it happens; the log, and
 * whatever else wants to know, listens (`report.ts`). No event has a key, a password or a nonce in it. All times and
 * durations are in milliseconds.
 */
export type KdcEvent =
  | Started
  | Closed
  | TicketGranted
  | TicketDenied
  | RequestRefused
  | RequestFailed
  | RequestRepeated
  | RecordChanged
  | RecordsRead
  | ChannelOpened
  | ChannelEnded
  | ConnectionRefused
  | HandshakeRefused
  | ConnectionClosed
  | ConnectionFailed
  | AcceptFailed
  | ClockLeapt
  | ClockBehind
  | ConnectionAbandoned

export type EventOf<K extends KdcEvent['kind']> = Extract<KdcEvent, { readonly kind: K }>

/** Where a request came from, as far as that is known. */
export interface Origin {
  readonly exchange?: 'AS' | 'TGS' | 'AP-OPEN' | 'administration'
  /** As connections are counted. */
  readonly address?: string
  /** Only a client that has proved its key: refusals then count for it, wherever it is. */
  readonly client?: Principal | undefined
  /** Whoever listened may have sent it once more, so its refusals count for its address only. */
  readonly mayBeRepeat?: true
  /** Of a channel: its client and, for a delegated ticket, the service that presents it. */
  readonly by?: readonly Principal[]
  /** Of a call in a channel. */
  readonly method?: string
}

export interface Started {
  readonly kind: 'kdc_started'
  readonly realm: string
  readonly host: string
  readonly port: number
}

export interface Closed {
  readonly kind: 'kdc_closed'
  readonly realm: string
}

/** A ticket was sealed, a ticket-granting ticket or one for a service. */
export interface TicketGranted {
  readonly kind: 'ticket_granted'
  readonly origin: Origin
  readonly client: Principal
  readonly service: Principal
  /** Not to be altered. */
  readonly ticketId: Uint8Array
  readonly endTime: number
}

/**
 * A proved request came once more, byte for byte: from a client that lost its connection, or from somebody who listened.
 * Told once for each such request; what is answered to its repeats is not told.
 */
export interface RequestRepeated {
  readonly kind: 'request_repeated'
  readonly origin: Origin
}

/** One service of a request that was otherwise answered. */
export interface TicketDenied {
  readonly kind: 'ticket_denied'
  readonly origin: Origin
  readonly client: Principal
  readonly service: Principal
  readonly code: WireCode
  readonly reason: string
}

/** A request got an error, which is what should happen. */
export interface RequestRefused {
  readonly kind: 'request_refused'
  readonly origin: Origin
  readonly code: WireCode
  readonly reason: string
  readonly facts: ErrorFacts
}

/** A request got `unavailable`, because the store failed, or for a reason that nobody expected. */
export interface RequestFailed {
  readonly kind: 'request_failed'
  readonly origin: Origin
  readonly expected: boolean
  readonly reason: string
  readonly facts: ErrorFacts
  readonly failure: Failure
}

/** Told when the change is on stable storage, before its administrator hears of it. */
export interface RecordChanged {
  readonly kind: 'record_changed'
  /** The administrator and, for a delegated ticket, the service that presents it. Nobody: the KDC's own process. */
  readonly by: readonly Principal[]
  readonly change: RecordChange
}

/** One change to the realm, by the method that made it. */
export type RecordChange =
  | {
      readonly method: 'add'
      readonly principal: Principal
      readonly kvno: number
      readonly passwordBased: boolean
      readonly expiresAt: number | null
      readonly maxLife: number | null
      readonly maxRenew: number | null
    }
  | { readonly method: 'disable' | 'enable' | 'remove'; readonly principal: Principal }
  | { readonly method: 'allow' | 'deny'; readonly rule: PolicyRule }
  | { readonly method: 'forget'; readonly client: string; readonly service: string }

export interface RecordsRead {
  readonly kind: 'records_read'
  readonly by: readonly Principal[]
  readonly method: string
  /** The principal or the pair that was asked for; nothing for a list. */
  readonly on: readonly string[]
}

export interface ChannelOpened {
  readonly kind: 'channel_opened'
  readonly origin: Origin
  readonly endTime: number
}

/** `broken`: by something that is not in order; otherwise the channel ended as channels should. */
export interface ChannelEnded {
  readonly kind: 'channel_ended'
  readonly origin: Origin
  readonly broken: boolean
  readonly reason: string
}

/** Refused before anything was read from it, or closed to make room. */
export interface ConnectionRefused {
  readonly kind: 'connection_refused'
  readonly address: string
  readonly reason:
    | 'too many connections'
    | 'room made for another of its address'
    | 'room made for another of its client'
    | 'addressOf failed'
    | 'its proxy tells no address'
  /** The limit that was reached. */
  readonly limit?: number
  readonly failure?: Failure
}

export interface HandshakeRefused {
  readonly kind: 'handshake_refused'
  readonly status: number
  readonly reason: string
}

/** The KDC closes a connection: by a code of RFC 6455. */
export interface ConnectionClosed {
  readonly kind: 'connection_closed'
  readonly address: string
  readonly code: number
  readonly reason: string
}

/** What the network does to a connection. */
export interface ConnectionFailed {
  readonly kind: 'connection_failed'
  readonly address?: string
  readonly failure: Failure
}

/** The platform could not accept a connection, as where file descriptors run out. */
export interface AcceptFailed {
  readonly kind: 'accept_failed'
  readonly failure: Failure
}

/** The KDC's wall clock went on otherwise than its monotonic clock: it was set, or the machine slept. */
export interface ClockLeapt {
  readonly kind: 'clock_leapt'
  /** Below 0 where it went back. */
  readonly by: number
  /** All leaps since the KDC started, together. */
  readonly leapt: number
  /** As of `ClockBehind`; 0 where it is not. */
  readonly behind: number
  readonly hint: string
}

/** At its start the KDC's clock is behind the newest time stored, at which KDC time then stands still. */
export interface ClockBehind {
  readonly kind: 'clock_behind'
  readonly behind: number
  readonly hint: string
}

/** A connection was cut, because something failed for a reason that nobody expected. */
export interface ConnectionAbandoned {
  readonly kind: 'connection_abandoned'
  readonly address: string
  readonly failure: Failure
}
