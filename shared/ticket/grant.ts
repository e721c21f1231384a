import { FLAGS_DEFINED, SIZE } from '../constants.js'
import { revealKey, SessionKey } from '../crypto/keys.js'
import { decode, encodeScratch, type Value } from '../encoding/encoding.js'
import {
  bitsOf,
  bytesOf,
  fields,
  listOf,
  nullable,
  numberOf,
  principalOf,
  textOf,
  ticketBytesOf,
} from '../encoding/fields.js'
import { isWireCode, malformed, type WireCode } from '../errors.js'
import { type Principal, realmOf, ticketGrantingService } from '../principal.js'
import { type Claims, decodeClaims, encodeClaims } from './claims.js'
import { decodeInnerTicket } from './ticket.js'

/** Replies of AS and TGS: tickets with what the client must know about them, and refusals (sections 4, 6 and 7). */

export interface Grant {
  /** The sealed ticket, which the client passes on and cannot open. */
  readonly ticket: Uint8Array
  readonly service: Principal
  readonly key: SessionKey
  readonly ticketId: Uint8Array
  /** Milliseconds, KDC time. */
  readonly authTime: number
  readonly startTime: number
  readonly endTime: number
  readonly renewTill: number | null
  readonly flags: number
  readonly claims: Claims
}

export interface Denial {
  readonly service: Principal
  readonly code: WireCode
}

export interface Reply {
  /** The KDC's clock, milliseconds. */
  readonly time: number
  readonly grants: readonly Grant[]
  readonly denials: readonly Denial[]
}

export function encodeGrant(grant: Grant): Value[] {
  return [
    grant.ticket,
    grant.service,
    revealKey(grant.key),
    grant.ticketId,
    grant.authTime,
    grant.startTime,
    grant.endTime,
    grant.renewTill,
    grant.flags,
    encodeClaims(grant.claims),
  ]
}

export function decodeGrant(value: Value | undefined): Grant {
  const list = fields(value, 10)
  return {
    ticket: ticketBytesOf(list[0]),
    service: principalOf(list[1]),
    key: new SessionKey(bytesOf(list[2], SIZE.KEY).slice()),
    ticketId: bytesOf(list[3], SIZE.TICKET_ID),
    authTime: numberOf(list[4]),
    startTime: numberOf(list[5]),
    endTime: numberOf(list[6]),
    renewTill: nullable(list[7], numberOf),
    flags: bitsOf(list[8], FLAGS_DEFINED),
    claims: decodeClaims(list[9]),
  }
}

/** The next encoding overwrites the result: seal it immediately. */
export function encodeReply(reply: Reply): Uint8Array {
  return encodeScratch([
    reply.time,
    reply.grants.map(encodeGrant),
    reply.denials.map(denial => [denial.service, denial.code]),
  ])
}

/** @throws OrthrusError `malformed` */
export function decodeReply(plaintext: Uint8Array): Reply {
  const [time, grants, denials] = fields(decode(plaintext), 3)
  return {
    time: numberOf(time),
    grants: listOf(grants).map(decodeGrant),
    denials: listOf(denials).map(decodeDenial),
  }
}

function decodeDenial(value: Value): Denial {
  const [service, code] = fields(value, 2)
  const text = textOf(code)
  if (!isWireCode(text)) throw malformed('an unknown error code')
  return { service: principalOf(service), code: text }
}

/** What was asked, to check the answer against. */
export interface Asked {
  readonly client: Principal
  readonly withTgt: boolean
  readonly services: readonly Principal[]
  /** Milliseconds; 0 if the longest allowed was asked for. */
  readonly lifetime: number
}

/**
 * Requires that the reply answers this question: the TGT comes first if one was asked for, then each service once,
 * granted or denied, in the order asked; each ticket is for the service that its grant names; none lives longer than
 * asked.
 * @throws OrthrusError `malformed`
 */
export function requireAnswers(reply: Reply, asked: Asked): void {
  const denied = new Set(reply.denials.map(denial => denial.service))
  const expected = asked.services.filter(service => !denied.has(service))
  if (asked.withTgt) expected.unshift(ticketGrantingService(realmOf(asked.client)))
  if (
    reply.grants.length !== expected.length ||
    reply.denials.length !== denied.size ||
    reply.denials.some(denial => !asked.services.includes(denial.service)) ||
    reply.grants.some((grant, i) => grant.service !== expected[i])
  ) {
    throw malformed('the KDC answered a different question')
  }
  for (const grant of reply.grants) requireConsistent(grant, reply.time, asked.lifetime)
}

function requireConsistent(grant: Grant, time: number, lifetime: number): void {
  if (decodeInnerTicket(grant.ticket).service !== grant.service)
    throw malformed('a ticket for a different service than its grant names')
  if (grant.startTime > grant.endTime || (lifetime > 0 && grant.endTime > time + lifetime)) {
    throw malformed('a ticket with times that were not asked for')
  }
}
