import { sha256 } from '#primitives'
import { concatBytes } from '../bytes.js'
import type { MessageType } from '../constants.js'
import type { AnyKey } from '../crypto/keys.js'
import type { RandomSource } from '../crypto/random.js'
import { open, seal } from '../crypto/seal.js'
import { decode, encodeScratch, type Value } from '../encoding/encoding.js'
import { errorCodeOf, fields, listOf, numberOf, principalOf } from '../encoding/fields.js'
import { contentOf, header } from '../encoding/message.js'
import { type ErrorFacts, malformed, OrthrusError, type WireCode } from '../errors.js'
import { type Principal, realmOf, ticketGrantingService } from '../principal.js'
import { decodeGrant, encodeGrant, type Grant } from '../ticket/grant.js'
import { decodeInnerTicket } from '../ticket/ticket.js'

/** The replies of AS and TGS, which are alike: tickets and denials (docs/protocol.md sections 6 and 7). */

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

/** Seals the reply to the request with these bytes, as the whole message of this type. */
export function sealReply<K extends AnyKey>(
  key: K,
  usage: K['usage'],
  type: MessageType,
  request: Uint8Array,
  reply: Reply,
  random: RandomSource,
): Uint8Array {
  return concatBytes(header(type), seal(key, usage, aadOf(type, request), encodeReply(reply), random))
}

/**
 * Opens the reply to the request with these bytes. `requireAnswers` then checks that it answers what was asked.
 * @throws OrthrusError `auth_failed` if it is not the KDC's reply to this request; `malformed`
 */
export function openReply<K extends AnyKey>(
  key: K,
  usage: K['usage'],
  type: MessageType,
  request: Uint8Array,
  bytes: Uint8Array,
  facts: ErrorFacts = {},
): Reply {
  const plaintext = open(key, usage, aadOf(type, request), contentOf(bytes, type))
  if (plaintext === undefined) {
    throw new OrthrusError('auth_failed', 'the answer does not come from the KDC', facts)
  }
  return decodeReply(plaintext)
}

function aadOf(type: MessageType, request: Uint8Array): Uint8Array {
  return concatBytes(header(type), sha256(request))
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
  return { service: principalOf(service), code: errorCodeOf(code) }
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
