import { combineAuthKeys, keepCombination } from '../crypto/derive.js'
import type { AuthKey } from '../crypto/keys.js'
import { OrthrusError, type WireCode } from '../errors.js'
import { type ApRequest, type ApType, decodeApRequest, isApRequestOf, replayIdOf } from '../exchange/ap.js'
import type { Principal } from '../principal.js'
import { type Caveat, type CaveatChecker, visibleClaims } from '../ticket/caveats.js'
import { type Claims, type OpenedTicket, requireValidAtService } from '../ticket/ticket.js'
import type { Clock } from '../time.js'
import {
  keepLeg,
  type Leg,
  openLeg,
  requireDelegation,
  requireLeg,
  type TicketOpener,
} from './presented-ticket.js'
import { type Refusal, refuseProved, refuseUnproved } from './refusal.js'
import type { Admission, ReplayCache } from './replay.js'

/**
 * What a service checks of an AP-REQ or AP-OPEN, in the order of docs/protocol.md section 8. Steps 1 to 8 happen
 * here, before a byte of the body is read; step 9 is the caller's, by `requireBinding`, and step 10 after it.
 */

/** Step 8, where a service has the feed. @throws OrthrusError `revoked` `unavailable` */
export interface RevocationCheck {
  requireValid(ticket: OpenedTicket, now: number): void
}

export interface AcceptOptions {
  readonly type: ApType
  readonly service: Principal
  readonly tickets: TicketOpener
  readonly replayCache: ReplayCache
  /** Stamps errors before step 4; everything from there on uses the replay cache's one reading. */
  readonly clock: Clock
  readonly method: string | undefined
  readonly target: string | undefined
  readonly checkers: ReadonlyMap<string, CaveatChecker>
  readonly revocation?: RevocationCheck
}

/** A request that passed steps 1 to 8. Its body has not been looked at. */
export interface AcceptedRequest {
  readonly request: ApRequest
  readonly key: AuthKey
  readonly service: Principal
  /** The clock as the replay cache read it, milliseconds. */
  readonly now: number
  /** The ticket that speaks for the client: the delegated one where there is one. */
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

/** A request whose binding holds too: only this reaches a handler. */
export interface VerifiedRequest extends AcceptedRequest {
  /** For the compiler alone. */
  readonly [bound]: true
}

declare const bound: unique symbol

/** Steps 1 to 8. @throws Refusal */
export async function acceptRequest(bytes: Uint8Array, options: AcceptOptions): Promise<AcceptedRequest> {
  const { request, legs, key } = authenticateOrRefuse(bytes, options)
  const presenter = legs[0].ticket.client
  const admission = await options.replayCache.admit({
    id: replayIdOf(request),
    time: request.time,
    presenter,
    endTime: Math.min(legs[0].ticket.endTime, legs[1]?.ticket.endTime ?? Number.POSITIVE_INFINITY),
  })
  try {
    requireAdmitted(admission, request)
    return check(request, legs, key, admission.now, options)
  } catch (cause) {
    throw refuseProved(cause, { key, mac: request.mac, presenter, ...admission })
  }
}

interface Authenticated {
  readonly request: ApRequest
  readonly legs: Legs
  readonly key: AuthKey
}

function authenticateOrRefuse(bytes: Uint8Array, options: AcceptOptions): Authenticated {
  try {
    return authenticate(bytes, options)
  } catch (cause) {
    throw refuseUnproved(cause, options.clock.now())
  }
}

type Legs = readonly [own: Leg, delegated: Leg | undefined]

/** Steps 1 to 3: form, keys and tickets, MAC. */
function authenticate(bytes: Uint8Array, { type, tickets }: AcceptOptions): Authenticated {
  const request = decodeApRequest(type, bytes)
  const { delegated } = request
  const own = openLeg(tickets, request)
  const other = delegated === null ? undefined : openLeg(tickets, delegated)
  const key = other === undefined ? own.key : combineAuthKeys(own.key, other.key)
  if (isApRequestOf(key, request)) {
    if (other !== undefined) keepCombination(own.key, other.key, key)
    return { request, legs: [keepLeg(own), other && keepLeg(other)], key }
  }
  throw new OrthrusError('auth_failed', `the MAC is not by the holder of ${own.ticket.client}'s ticket`, {
    principal: own.ticket.client,
  })
}

/** Step 4, as the replay cache decided it. */
function requireAdmitted({ refusal, now, floor }: Admission, request: ApRequest): void {
  if (refusal === undefined) return
  throw new OrthrusError(refusal, REASON[refusal], { expected: now, actual: request.time, time: now, floor })
}

const REASON = {
  ticket_expired: 'a ticket of the request ended a while ago',
  unavailable: "this machine's clock went back far; correct it or restart the service",
  clock_skew: 'the request is stamped outside the window',
  replay: 'the request was here before',
  rate_limited: 'the client fills its share of the replay cache',
} as const

/** Steps 5 to 8, each over both tickets, the presenter's first. */
function check(
  request: ApRequest,
  legs: Legs,
  key: AuthKey,
  now: number,
  options: AcceptOptions,
): AcceptedRequest {
  const [own, delegated] = legs
  const tickets = delegated === undefined ? [own.ticket] : [own.ticket, delegated.ticket]
  for (const ticket of tickets) requireValidAtService(ticket, now)
  if (delegated !== undefined) requireDelegation(request, delegated)
  const { service, method, target, checkers } = options
  const facts = { now, service, method, target, checkers }
  const ownCaveats = requireLeg(own, { ...facts, holder: undefined })
  const caveats = delegated ? requireLeg(delegated, { ...facts, holder: own.ticket.client }) : ownCaveats
  for (const ticket of tickets) options.revocation?.requireValid(ticket, now)
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
 * Step 9. @param matches whether the binding computed from what arrived is the request's.
 * @throws Refusal `binding_mismatch`
 */
export function requireBinding(accepted: AcceptedRequest, matches: boolean): VerifiedRequest {
  if (matches) return accepted as VerifiedRequest
  throw refuse(accepted, 'binding_mismatch', 'the request is not the one that its client sent')
}

/** A refusal of an accepted request for a reason of step 9 or 10. It is final: its replay entry stays. */
export function refuse(accepted: AcceptedRequest, code: WireCode, reason: string): Refusal {
  const { request, key, now, client, via } = accepted
  const cause = new OrthrusError(code, reason, { final: true, principal: client })
  return refuseProved(cause, { key, mac: request.mac, presenter: via ?? client, now, floor: null }) as Refusal
}
