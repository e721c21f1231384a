import { equalBytes } from '#primitives'
import { combineAuthKeys } from '../crypto/derive.js'
import { keepCombination } from '../crypto/derived-keys.js'
import type { AuthKey } from '../crypto/keys.js'
import { type ErrorFacts, OrthrusError, type WireCode } from '../errors.js'
import {
  type ApType,
  decodeApRequest,
  replayIdOf,
  type VerifiedApRequest,
  verifyApRequest,
} from '../exchange/ap.js'
import type { Principal } from '../principal.js'
import { type Caveat, type CaveatChecker, visibleClaims } from '../ticket/caveats.js'
import type { Claims } from '../ticket/claims.js'
import type { OpenedTicket } from '../ticket/ticket.js'
import { requireValid } from '../ticket/validity.js'
import type { Clock, Reading } from '../time.js'
import {
  keepPresented,
  openPresented,
  type PresentedTicket,
  requireDelegation,
  requirePresented,
  type TicketOpener,
} from './presented-ticket.js'
import { type ProvedTickets, provedTickets, type Refusal, refuseProved, refuseUnproved } from './refusal.js'
import type { Admission, ReplayCache } from './replay.js'

/**
 * What a service checks of an AP-REQ or AP-OPEN, in the order of docs/protocol.md section 8. Steps 1 to 8 happen
 * here, before a byte of the body is read. The caller verifies (step 9, `requireBinding`) and authorises (step 10).
 */

/** What a service that follows the log of what is revoked adds to the steps. */
export interface RevocationCheck {
  /** The time by which tickets end (step 5): the later of the service's clock and KDC time, milliseconds. */
  endClock(now: Reading): number
  /** Step 8. @throws OrthrusError `revoked` `unavailable` */
  requireValid(ticket: OpenedTicket, now: Reading): void
}

export interface AcceptOptions {
  readonly type: ApType
  readonly service: Principal
  readonly tickets: TicketOpener
  readonly replayCache: ReplayCache
  /** The time given in errors before step 4. From step 4 on, everything uses the replay cache's one reading. */
  readonly clock: Clock
  readonly method: string | undefined
  readonly target: string | undefined
  readonly checkers: ReadonlyMap<string, CaveatChecker>
  readonly revocation?: RevocationCheck | undefined
}

/** A request that passed steps 1 to 8. Its body has not been read. */
export interface AcceptedRequest {
  readonly request: VerifiedApRequest
  readonly key: AuthKey
  readonly service: Principal
  /** The clock as the replay cache read it, milliseconds. */
  readonly now: number
  /** The ticket that names the client: the delegated one if there is one. */
  readonly ticket: OpenedTicket
  /** All tickets presented, the presenter's first. */
  readonly tickets: readonly OpenedTicket[]
  /** All caveats of all tickets, decoded. */
  readonly caveats: readonly Caveat[]
  readonly client: Principal
  readonly via: Principal | undefined
  readonly claims: Claims
  readonly claimsWithheld: boolean
}

/** A request that also passed step 9. Only such a request reaches a handler. */
export interface VerifiedRequest extends AcceptedRequest {
  /** For the compiler alone. */
  readonly [bound]: true
}

declare const bound: unique symbol

/** Steps 1 to 8. @throws Refusal */
export async function acceptRequest(bytes: Uint8Array, options: AcceptOptions): Promise<AcceptedRequest> {
  const { request, presented, key } = authenticateOrRefuse(bytes, options)
  const [own, delegated] = presented
  const presenter = own.ticket.client
  const admitted = options.replayCache.admit({
    id: replayIdOf(request),
    time: request.time,
    presenter,
    endTime: Math.min(own.ticket.endTime, delegated?.ticket.endTime ?? Number.POSITIVE_INFINITY),
  })
  // The cache of one process answers at once, and to wait for an answer that is there costs every request a turn.
  const admission = 'then' in admitted ? await admitted : admitted
  try {
    requireAdmitted(admission, request)
    return check(request, presented, key, admission.now, options)
  } catch (cause) {
    const proved = provedTickets(own.ticket, delegated?.ticket)
    throw refuseProved(cause, { key, mac: request.mac, proved, ...admission })
  }
}

interface Authenticated {
  readonly request: VerifiedApRequest
  readonly presented: Presented
  readonly key: AuthKey
}

function authenticateOrRefuse(bytes: Uint8Array, options: AcceptOptions): Authenticated {
  try {
    return authenticate(bytes, options)
  } catch (cause) {
    throw refuseUnproved(cause, options.clock.now())
  }
}

type Presented = readonly [own: PresentedTicket, delegated: PresentedTicket | undefined]

/** Steps 1 to 3: form, keys and tickets, MAC. */
function authenticate(bytes: Uint8Array, { type, tickets }: AcceptOptions): Authenticated {
  const request = decodeApRequest(type, bytes)
  const { delegated } = request
  const own = openPresented(tickets, request)
  const other = delegated === null ? undefined : openPresented(tickets, delegated)
  const key = other === undefined ? own.key : combineAuthKeys(own.key, other.key)
  const verified = verifyApRequest(request, key, own.ticket.client)
  if (other !== undefined) keepCombination(own.key, other.key, key)
  return {
    request: verified,
    presented: [keepPresented(tickets, own), other && keepPresented(tickets, other)],
    key,
  }
}

/** Step 4, as decided by the replay cache. */
function requireAdmitted({ refusal, reason, now, floor }: Admission, request: VerifiedApRequest): void {
  if (refusal === undefined) return
  throw new OrthrusError(refusal, reason ?? REASON[refusal], {
    expected: now,
    actual: request.time,
    time: now,
    floor,
  })
}

const REASON = {
  ticket_expired: 'a ticket of the request ended a while ago',
  unavailable: "this machine's clock went back far; correct it or restart the service",
  clock_skew: 'the time stamp of the request is outside the window',
  replay: 'the request was received before',
  rate_limited: 'the client has filled its share of the replay cache',
} as const

/** Steps 5 to 8. Each covers both tickets, the presenter's first. */
function check(
  request: VerifiedApRequest,
  presented: Presented,
  key: AuthKey,
  now: number,
  options: AcceptOptions,
): AcceptedRequest {
  const [own, delegated] = presented
  const tickets = delegated === undefined ? [own.ticket] : [own.ticket, delegated.ticket]
  const { service, method, target, checkers, revocation, clock } = options
  // To read a clock costs more than most of these checks, so this reading serves all of them.
  const reading = revocation && { wall: now, monotonic: clock.monotonic() }
  const endClock = (reading && revocation?.endClock(reading)) ?? now
  for (const ticket of tickets) requireValid(ticket, now, endClock)
  if (delegated !== undefined) requireDelegation(request, delegated)
  const factsFor = (holder: Principal | undefined) => ({ now, service, method, target, checkers, holder })
  const ownCaveats = requirePresented(own, factsFor(undefined))
  const caveats = delegated ? requirePresented(delegated, factsFor(own.ticket.client)) : ownCaveats
  if (reading !== undefined) for (const ticket of tickets) revocation?.requireValid(ticket, reading)
  const speaking = (delegated ?? own).ticket
  const { claims, withheld } = visibleClaims(speaking.claims, caveats)
  return {
    request,
    key,
    service,
    now,
    ticket: speaking,
    tickets,
    caveats: delegated === undefined ? caveats : [...ownCaveats, ...caveats],
    client: speaking.client,
    via: delegated && own.ticket.client,
    claims,
    claimsWithheld: withheld,
  }
}

/**
 * What a service's own log says of a binding that does not hold. `isBound` says whether another binding would, so that it
 * can be told what was changed on the way; it makes nothing pass.
 */
export type ExplainMismatch = (
  isBound: (binding: Uint8Array) => boolean,
) => Pick<ErrorFacts, 'hint' | 'expected' | 'actual'>

/**
 * Step 9. @param binding the digest of what arrived: method, target, covered headers and body, or a channel's target.
 * @throws Refusal `binding_mismatch`
 */
export function requireBinding(
  accepted: AcceptedRequest,
  binding: Uint8Array,
  explain?: ExplainMismatch,
): VerifiedRequest {
  if (equalBytes(binding, accepted.request.binding)) return accepted as VerifiedRequest
  const facts = explain?.(other => equalBytes(other, accepted.request.binding))
  throw refuseWith(accepted, 'binding_mismatch', 'the request is not the one that its client sent', facts)
}

/**
 * Refuses an accepted request for a reason of step 9 or 10. This is final, because its replay entry stays.
 * @param hint what the service's owner can do about it.
 */
export function refuse(accepted: AcceptedRequest, code: WireCode, reason: string, hint?: string): Refusal {
  return refuseWith(accepted, code, reason, hint === undefined ? {} : { hint })
}

function refuseWith(
  accepted: AcceptedRequest,
  code: WireCode,
  reason: string,
  facts: ErrorFacts = {},
): Refusal {
  const { request, key, now, client } = accepted
  const cause = new OrthrusError(code, reason, { final: true, principal: client, ...facts })
  const proved = ticketsOf(accepted)
  return refuseProved(cause, { key, mac: request.mac, proved, now, floor: null }) as Refusal
}

/** Which tickets the request has, for the log. */
export function ticketsOf({ tickets, ticket }: Pick<AcceptedRequest, 'tickets' | 'ticket'>): ProvedTickets {
  const [own = ticket, delegated] = tickets
  return provedTickets(own, delegated)
}
