import type { DecidingRule } from '../../shared/administration/rule.js'
import type { ErrorFacts, WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { ReplicaNotice } from '../store/store.js'
import type { Failure } from './failure.js'
import type { RecordChange } from './record-change.js'

/**
 * What a KDC does, as one closed union of plain values. Each event is reported once, where it happens; the log and any
 * other listener receive it (`report.ts`). No event contains a key, a password or a nonce. All times and durations are
 * in milliseconds.
 */
export type KdcEvent =
  | Started
  | Closed
  | TicketGranted
  | TicketDenied
  | RequestRefused
  | RequestFailed
  | RequestRepeated
  | RecordChanging
  | RecordChanged
  | ChangeUncertain
  | RecordsRead
  | ChannelOpened
  | ChannelEnded
  | FollowerDoubled
  | ConnectionRefused
  | HandshakeRefused
  | ConnectionClosed
  | ConnectionFailed
  | AcceptFailed
  | ClockLeapt
  | ClockSteady
  | KeyScheduleFailed
  | DatabaseDamaged
  | ConnectionAbandoned
  | AuditFailed
  | AuditWritten
  | AuditNoted
  | ReplicaNoticed

export type EventOf<K extends KdcEvent['kind']> = Extract<KdcEvent, { readonly kind: K }>

/** Where a request came from, as far as the KDC knows. */
export interface Origin {
  readonly exchange?: 'AS' | 'TGS' | 'AP-OPEN' | 'administration'
  /** The address that limits count. */
  readonly address?: string
  /** Set only if the client has proved its key. Refusals then count for the client, whatever its address. */
  readonly client?: Principal | undefined
  /** An eavesdropper may have sent the request again, so its refusals count for its address only. */
  readonly mayBeRepeat?: true
  /** Of a channel: its client and, for a delegated ticket, the service that presents it. */
  readonly by?: readonly Principal[]
  /** Of a call in a channel. */
  readonly method?: string
  /** The id of the TGT that was presented, or granted in the same reply. Not to be altered. */
  readonly tgt?: Uint8Array
  /** Of a channel: the id of the client's ticket. Not to be altered. */
  readonly ticketId?: Uint8Array
}

/** Who administrates, and from where. */
export interface Actor {
  /** The administrator and, for a delegated ticket, the service that presents it. Empty for the KDC's own process. */
  readonly by: readonly Principal[]
  /** The address that a channel, or a login, comes from. */
  readonly address?: string
  /** The id of the ticket that a channel was opened with. Not to be altered. */
  readonly ticketId?: Uint8Array
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
  /** Why, if nobody asked for it. */
  readonly reason?: string
}

/** A ticket was sealed, a ticket-granting ticket or one for a service. */
export interface TicketGranted {
  readonly kind: 'ticket_granted'
  readonly origin: Origin
  readonly client: Principal
  readonly service: Principal
  /** That of policy which allowed it. Null for a TGT, and for what every client may have at `kdc@realm`. */
  readonly rule: DecidingRule | null
  /** Not to be altered. */
  readonly ticketId: Uint8Array
  readonly endTime: number
}

/**
 * A proved request came again, byte for byte: from a client that lost its connection, or from an eavesdropper. Reported
 * once for each such request; the answers to its repeats are not reported.
 */
export interface RequestRepeated {
  readonly kind: 'request_repeated'
  readonly origin: Origin
}

/** Which refusal it is: its client knows the id too, and can ask about it (`refusals.ts`). */
interface Identified {
  /** Hex digits; null if the request has no MAC, or is a call in a channel. */
  readonly id: string | null
}

/** One service was denied in a request that was otherwise answered. */
export interface TicketDenied extends Identified {
  readonly kind: 'ticket_denied'
  readonly id: string
  readonly origin: Origin
  readonly client: Principal
  readonly service: Principal
  /**
   * What policy said: the rule that denied, or the rule that allowed what was denied for another reason. Null if no rule
   * matched. The client is not told.
   */
  readonly rule: DecidingRule | null
  readonly code: WireCode
  readonly reason: string
}

/** A request was answered with an error, as it should be. */
export interface RequestRefused extends Identified {
  readonly kind: 'request_refused'
  readonly origin: Origin
  readonly code: WireCode
  readonly reason: string
  readonly facts: ErrorFacts
}

/** A request was answered with `unavailable`, because the store failed or an unexpected error was thrown. */
export interface RequestFailed extends Identified {
  readonly kind: 'request_failed'
  readonly origin: Origin
  readonly expected: boolean
  readonly reason: string
  readonly facts: ErrorFacts
  readonly failure: Failure
}

/**
 * Reported before a change is stored. If a listener cannot write it down, the change is not made. It may be reported
 * several times of one change, if others change the same records meanwhile.
 */
export interface RecordChanging extends Actor {
  readonly kind: 'record_changing'
  readonly change: RecordChange
}

/** Reported when the change is on stable storage, before its administrator is answered. */
export interface RecordChanged extends Actor {
  readonly kind: 'record_changed'
  readonly change: RecordChange
}

/** The store failed while it wrote a change: the change may or may not be there. Its administrator got an error. */
export interface ChangeUncertain extends Actor {
  readonly kind: 'change_uncertain'
  readonly change: RecordChange
  readonly failure: Failure
}

export interface RecordsRead extends Actor {
  readonly kind: 'records_read'
  readonly method: string
  /** The principal or the pair that was read; empty for a list. */
  readonly on: readonly string[]
}

export interface ChannelOpened {
  readonly kind: 'channel_opened'
  readonly origin: Origin
  readonly endTime: number
}

/** `broken` if the channel ended because something was wrong; otherwise it ended normally. */
export interface ChannelEnded {
  readonly kind: 'channel_ended'
  readonly origin: Origin
  readonly broken: boolean
  readonly reason: string
}

/**
 * Two addresses follow the revocation log as one principal: perhaps two processes accept under one key, each of which
 * accepts a replay from the other.
 */
export interface FollowerDoubled {
  readonly kind: 'follower_doubled'
  readonly principal: Principal
  readonly addresses: readonly [string, string]
}

/** A connection was refused before anything was read from it, or closed to make room. */
export interface ConnectionRefused {
  readonly kind: 'connection_refused'
  readonly address: string
  readonly reason:
    | 'too many connections'
    | 'closed to make room for another address'
    | 'closed to make room for another of its address'
    | 'closed to make room for another client'
    | 'closed to make room for another of its client'
    | 'addressOf failed'
    | 'its proxy sends no address'
  /** The limit that was reached. */
  readonly limit?: number
  readonly failure?: Failure
}

export interface HandshakeRefused {
  readonly kind: 'handshake_refused'
  readonly status: number
  readonly reason: string
}

/** The KDC closes a connection. `code` is a close code of RFC 6455. */
export interface ConnectionClosed {
  readonly kind: 'connection_closed'
  readonly address: string
  readonly code: number
  readonly reason: string
}

/** A network error on a connection. */
export interface ConnectionFailed {
  readonly kind: 'connection_failed'
  readonly address?: string
  readonly failure: Failure
}

/** The platform could not accept a connection, for example because file descriptors ran out. */
export interface AcceptFailed {
  readonly kind: 'accept_failed'
  readonly failure: Failure
}

/** The KDC's wall clock moved differently from its monotonic clock: it was set, or the machine slept. */
export interface ClockLeapt {
  readonly kind: 'clock_leapt'
  /** Below 0 if the clock went back. */
  readonly by: number
  /** The sum of all leaps, each an hour or less after the one before. */
  readonly leapt: number
  readonly hint: string
}

/** For an hour the KDC's clock has not leapt again. It is no longer taken for wrong. */
export interface ClockSteady {
  readonly kind: 'clock_steady'
  /** The sum of the leaps before. */
  readonly leapt: number
}

/** What the schedule of keys does in the background failed. It is tried again. */
export interface KeyScheduleFailed {
  readonly kind: 'key_schedule_failed'
  /**
   * Whose key could not be changed or erased; null if outdated invitations or rules could not be cleared away.
   */
  readonly principal: Principal | null
  readonly failure: Failure
}

/** The database was found to be damaged while the KDC ran, which ends for that. */
export interface DatabaseDamaged {
  readonly kind: 'database_damaged'
  /** In the words of `orthrus check`. */
  readonly reason: string
  readonly hint: string | undefined
}

/** A connection was cut because of an unexpected error. */
export interface ConnectionAbandoned {
  readonly kind: 'connection_abandoned'
  readonly address: string
  readonly failure: Failure
}

/** The audit log cannot be written. Until it can, nothing is administered; tickets are granted. */
export interface AuditFailed {
  readonly kind: 'audit_failed'
  readonly directory: string
  readonly failure: Failure
}

/** The audit log is written again. */
export interface AuditWritten {
  readonly kind: 'audit_written'
  readonly directory: string
  /** Events that there was no room for meanwhile, and that are lost but for this number. */
  readonly dropped: number
}

/** Something about the audit log itself that an operator should know: it has a line of it, too. */
export interface AuditNoted {
  readonly kind: 'audit_noted'
  readonly directory: string
  /** Whether it is as it should be. */
  readonly isFault: boolean
  readonly reason: string
  readonly details: object
}

/** What becomes of this KDC among those that share its store, or what it did to another one. */
export interface ReplicaNoticed {
  readonly kind: 'replica_noticed'
  /** Names this KDC among them. */
  readonly replica: string
  readonly notice: ReplicaNotice
}
