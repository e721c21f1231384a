import type { WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'

/** What a service reports about itself: a closed union of plain values without secrets, each reported once. */
export type ServiceEvent =
  | AcceptedEvent
  | ChallengedEvent
  | PassedWithoutTicketEvent
  | RefusedEvent
  | ReplayedEvent
  | UncheckedEvent
  | AbortedEvent
  | BodyBrokenEvent
  | ResponseFailedEvent
  | ResponseEncodedEvent
  | HookFailedEvent
  | ChannelEndedEvent
  | ChannelHandlerFailedEvent
  | HandshakeRefusedEvent
  | WrongEventEvent
  | OriginRefusedEvent
  | ClockEvent
  | ReplayCacheFullEvent
  | FeedConnectedEvent
  | FeedBrokenEvent
  | FeedStaleEvent
  | FeedSizeEvent
  | FeedFileEvent
  | KeyRevokedEvent
  | KeyNotDroppedEvent
  | KeytabNotReadEvent
  | KeyNotLockedEvent
  | StateEvent
  | SharedCacheAwayEvent
  | RedisEvent

/** Calls every listener. */
export type Report = (event: ServiceEvent) => void

/** Which request it is about. */
export interface RequestFields {
  /** `CHANNEL` if the request opens a channel. */
  readonly method: string
  /** Without the query, which can hold what a log should not, and cut to a bounded length. */
  readonly path: string | undefined
}

/** A request passed all checks, and its handler is about to run. */
export interface AcceptedEvent extends RequestFields {
  readonly kind: 'accepted'
  readonly client: Principal
  /** The delegate that presented the client's ticket. */
  readonly via: Principal | undefined
  /** Hex. */
  readonly ticketId: string
  /** Names of the caveats of all tickets. */
  readonly caveats: readonly string[]
}

/** A request came without credentials. */
export interface ChallengedEvent extends RequestFields {
  readonly kind: 'challenged'
  /** What the service's owner can do about it, if the request has a part of what presents a ticket. */
  readonly hint: string | undefined
}

/** A request without a ticket was let through, as `permitWithoutTicket` says. Told once an hour for each address. */
export interface PassedWithoutTicketEvent extends RequestFields {
  readonly kind: 'passed_without_ticket'
  /** The address of its peer. */
  readonly from: string
  /** How many of this address were let through. */
  readonly requests: number
  /** How many such lines were left out since the last one, because there were too many addresses. */
  readonly leftOut: number
}

export interface RefusedEvent extends RequestFields {
  readonly kind: 'refused'
  /** As the answer has it. */
  readonly code: WireCode
  /** It says more than the response does. */
  readonly reason: string
  /** What the service's owner can do about it, if that is known. */
  readonly hint: string | undefined
  /** Whether the cause lies in how the service is run, so that such requests are refused until its owner acts. */
  readonly ownerMustAct: boolean
  /** What the client bound, as far as it can be told, and what arrived: of a `binding_mismatch` alone. */
  readonly bound?: string | number | undefined
  readonly arrived?: string | number | undefined
  /** Who presented the request, if that was proved. */
  readonly presenter: Principal | undefined
}

/** A request that was accepted or refused before came again. */
export interface ReplayedEvent extends Omit<RefusedEvent, 'kind'> {
  readonly kind: 'replayed'
}

/** The service could not check the request: a shared replay cache is away, or something else read the body. */
export interface UncheckedEvent extends RequestFields {
  readonly kind: 'unchecked'
  readonly err: unknown
}

/** The client went away before its request was whole. */
export interface AbortedEvent extends RequestFields {
  readonly kind: 'aborted'
}

/** A sealed body broke, or was ended, while its handler read it. The handler got an error in place of the rest. */
export interface BodyBrokenEvent extends RequestFields {
  readonly kind: 'body_broken'
  readonly client: Principal
  readonly reason: string
}

/** A handler failed, or answered what cannot be proved. Unless the answer was out, its client got a proved 500. */
export interface ResponseFailedEvent extends RequestFields {
  readonly kind: 'response_failed'
  /** Undefined for a request that was let through without a ticket; its sender got a 500 without a proof. */
  readonly client: Principal | undefined
  readonly reason: string
  readonly hint: string | undefined
  /** What the handler threw. */
  readonly err: unknown
}

/** A response with `content-encoding`, which clients of Orthrus refuse. */
export interface ResponseEncodedEvent extends RequestFields {
  readonly kind: 'response_encoded'
  readonly client: Principal
}

/** A channel is over. */
export interface ChannelEndedEvent extends RequestFields {
  readonly kind: 'channel_ended'
  readonly client: Principal
  /** Why, unless both sides had ended. */
  readonly reason: string | undefined
}

/** What handled a channel failed, so the channel was given up. */
export interface ChannelHandlerFailedEvent extends RequestFields {
  readonly kind: 'channel_handler_failed'
  readonly client: Principal
  readonly err: unknown
}

/** Something connected that cannot open a channel, or opened none in time. */
export interface HandshakeRefusedEvent {
  readonly kind: 'handshake_refused'
  readonly reason: string
}

/** A function that the owner gave to `requireTicket` or `acceptChannels` threw. */
export interface HookFailedEvent {
  readonly kind: 'hook_failed'
  /** `onRefused`, `caveats.` and the name of a checker, or an error handler of the framework. */
  readonly hook: string
  readonly err: unknown
}

/** What `requireTicket` gave listens to an event that brings no response, so the connection was closed. */
export interface WrongEventEvent {
  readonly kind: 'wrong_event'
  /** Says what to do instead. */
  readonly err: TypeError
}

/** A browser asked for a page of an origin that the option `cors` does not name, and was refused. */
export interface OriginRefusedEvent extends RequestFields {
  readonly kind: 'origin_refused'
  /** As the browser sent it, cut to a bounded length. */
  readonly origin: string
}

/** The machine's clock moved differently from its monotonic clock. Times in milliseconds. */
export interface ClockEvent {
  readonly kind: 'clock_went_back' | 'clock_leapt'
  readonly now: number
  /** Nothing stamped at or below it is accepted. */
  readonly floor: number
}

/** The replay cache had to forget, so requests stamped at or below the floor are refused. Times in milliseconds. */
export interface ReplayCacheFullEvent {
  readonly kind: 'replay_cache_full'
  readonly now: number
  readonly floor: number
}

/** The service has everything that is in the KDC's log of what is revoked, and follows it from now on. */
export interface FeedConnectedEvent {
  readonly kind: 'feed_connected'
  /** How many revocations are held. */
  readonly revocations: number
}

/** The channel to the KDC ended, or none could be opened. Another attempt follows. */
export interface FeedBrokenEvent {
  readonly kind: 'feed_ended' | 'feed_failed'
  readonly err: unknown
}

/** A request was refused because no KDC has confirmed the revocations for too long. Told once until one does. */
export interface FeedStaleEvent {
  readonly kind: 'feed_stale'
  /** Milliseconds since the last question that a KDC answered; undefined if none was. */
  readonly age: number | undefined
}

/** So many revocations are held that half of the memory for them is used, or all of it, and then nothing is accepted. */
export interface FeedSizeEvent {
  readonly kind: 'feed_half_full' | 'feed_full'
  readonly revocations: number
}

/** What the last end saved cannot be used, or this end's cannot be written. The next start waits for a KDC. */
export interface FeedFileEvent {
  readonly kind: 'feed_not_loaded' | 'feed_not_saved'
  readonly err: unknown
}

/** Keys of this service were revoked. Tickets under them are refused from now on. */
export interface KeyRevokedEvent {
  readonly kind: 'key_revoked'
  readonly kvnos: readonly number[]
  /** The kvnos of the keys that are left. */
  readonly left: readonly number[]
}

/** Revoked keys are still in the keytab, where a later start finds them: told at each start, until somebody removes them. */
export interface KeyNotDroppedEvent {
  readonly kind: 'key_not_dropped'
  readonly err: unknown
}

/** A ticket came under a newer key than this process has, and the keytab could not be read again. */
export interface KeytabNotReadEvent {
  readonly kind: 'keytab_not_read'
  readonly err: unknown
}

/** Another process of this machine serves under a new key of this service, so that tickets under it are refused here. */
export interface KeyNotLockedEvent {
  readonly kind: 'key_not_locked'
  readonly kvno: number
  readonly err: unknown
}

/** What the last end left cannot be used, or this end could leave nothing. The six seconds of a start stand. */
export interface StateEvent {
  readonly kind: 'state_not_used' | 'state_not_saved'
  readonly err: unknown
}

/** No process of this machine answers for the replay cache that this one shares. Told once until one does. */
export interface SharedCacheAwayEvent {
  readonly kind: 'shared_cache_away'
}

/** How the Redis server of a shared replay cache stands. */
export type RedisEvent = RedisAwayEvent | RedisForgotEvent | RedisEvictsEvent | RedisClockEvent

/** It does not answer, or not as it should. Told once until it does. */
export interface RedisAwayEvent {
  readonly kind: 'redis_away'
  readonly reason: string
}

/**
 * It lost what it had, or is another one; or the service's share of it is full. Requests stamped at or below the floor are
 * refused, and if it is full, all of them. Times in milliseconds, by the server's clock.
 */
export interface RedisForgotEvent {
  readonly kind: 'redis_forgot' | 'redis_full'
  readonly now: number
  readonly floor: number
}

/** It removes keys when its memory is full. */
export interface RedisEvictsEvent {
  readonly kind: 'redis_evicts'
  /** Its `maxmemory-policy`. */
  readonly policy: string
}

/** Its clock and that of this process are more than a minute apart. */
export interface RedisClockEvent {
  readonly kind: 'redis_clock_apart'
  /** How far the process's own clock is ahead, milliseconds. */
  readonly ahead: number
}
