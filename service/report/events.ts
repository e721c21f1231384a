import type { WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type {
  FeedBrokenEvent,
  FeedConnectedEvent,
  FeedFileEvent,
  FeedLogChangedEvent,
  FeedSizeEvent,
  FeedStaleEvent,
  KeyNotDroppedEvent,
  KeyNotLockedEvent,
  KeyRevokedEvent,
  KeytabNotReadEvent,
} from './feed-events.js'
import type {
  ClockEvent,
  RedisEvent,
  ReplayCacheFullEvent,
  SharedCacheAwayEvent,
  StateEvent,
} from './replay-events.js'

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
  | FeedLogChangedEvent
  | FeedFileEvent
  | KeyRevokedEvent
  | KeyNotDroppedEvent
  | KeytabNotReadEvent
  | KeyNotLockedEvent
  | StateEvent
  | SharedCacheAwayEvent
  | RedisEvent

/** Whose event it is, in what listeners other than the service's own log get. */
export interface OfService {
  readonly service: Principal
}

/** What `onEvent` of `loadService` and the channels of `node:diagnostics_channel` get. */
export type ServiceTelemetryEvent = ServiceEvent & OfService

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
  /** The client's ticket, hex: the KDC's log and the client's own events name it too. */
  readonly ticketId: string
  /** The delegate's own ticket, hex. */
  readonly viaTicketId: string | undefined
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
  /** By which the client's error names it too (`facts.refusal`). Hex; undefined if the request has no AP-REQ. */
  readonly id: string | undefined
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
  /** Who presented the request, if that was proved: `via`, or else `client`. */
  readonly presenter: Principal | undefined
  /** As of an accepted request. All undefined unless the request proved that it has the keys of its tickets. */
  readonly client: Principal | undefined
  readonly via: Principal | undefined
  readonly ticketId: string | undefined
  readonly viaTicketId: string | undefined
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

/** A function that the owner gave to `loadService`, `requireTicket` or `acceptChannels` threw. */
export interface HookFailedEvent {
  readonly kind: 'hook_failed'
  /** `onEvent`, `tracing`, `onRefused`, `caveats.` and the name of a checker, or an error handler of the framework. */
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
