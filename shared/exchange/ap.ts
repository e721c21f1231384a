import { SIZE, TYPE } from '../constants.js'
import { isMac } from '../crypto/derive.js'
import type { AuthKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  bytesOf,
  caveatListOf,
  fields,
  nonceOf,
  nullable,
  numberOf,
  principalOf,
  ticketBytesOf,
} from '../encoding/fields.js'
import { createMacMessage, decodeMacMessage } from '../encoding/message.js'
import { OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'
import { decodeInnerTicket, type SealedTicket } from '../ticket/ticket.js'

/** The AP exchange: AP-REQ and AP-REP for a request, AP-OPEN and AP-ACCEPT for a channel (sections 8 and 9). */

/** AP-OPEN has the fields of an AP-REQ and a type of its own. */
export type ApType = typeof TYPE.AP_REQ | typeof TYPE.AP_OPEN

export interface Delegated {
  readonly ticket: SealedTicket
  readonly caveats: readonly Uint8Array[]
  /** The ticket's client, as the presenter names it. */
  readonly client: Principal
}

export interface ApQuestion {
  readonly ticket: SealedTicket
  readonly caveats: readonly Uint8Array[]
  /** Milliseconds, on the service's clock as the client knows it. */
  readonly time: number
  readonly nonce: Uint8Array
  /** The digest of what the MAC must cover of the request (section 8, HTTP binding; section 9). */
  readonly binding: Uint8Array
  readonly delegated: Delegated | null
}

export interface ApRequest extends ApQuestion {
  readonly bytes: Uint8Array
  readonly covered: Uint8Array
  readonly mac: Uint8Array
}

/** A request whose sender has proved the keys of its tickets. */
export interface VerifiedApRequest extends ApRequest {
  /** For the compiler alone. */
  readonly [verified]: true
}

declare const verified: unique symbol

/** @param key `A_n` of the ticket, or the combined key of a delegated presentation. */
export function createApRequest(type: ApType, key: AuthKey, question: ApQuestion): ApRequest {
  const { ticket, caveats, time, nonce, binding, delegated } = question
  const body: Value[] = [
    ticket.bytes,
    [...caveats],
    time,
    nonce,
    binding,
    delegated && [delegated.ticket.bytes, [...delegated.caveats], delegated.client],
  ]
  const { bytes, covered, mac } = createMacMessage(key, 'ap-req', type, body)
  return { ticket, caveats, time, nonce, binding, delegated, bytes, covered, mac }
}

/** @throws OrthrusError `too_large` `unsupported_version` `malformed` */
export function decodeApRequest(type: ApType, bytes: Uint8Array): ApRequest {
  const { body, covered, mac } = decodeMacMessage(bytes, type)
  const [ticket, caveats, time, nonce, binding, delegated] = fields(body, 6)
  return {
    ticket: decodeInnerTicket(ticketBytesOf(ticket)),
    caveats: caveatListOf(caveats),
    time: numberOf(time),
    nonce: nonceOf(nonce),
    binding: bytesOf(binding, SIZE.DIGEST),
    delegated: nullable(delegated, decodeDelegated),
    bytes,
    covered,
    mac,
  }
}

function decodeDelegated(value: Value | undefined): Delegated {
  const [ticket, caveats, client] = fields(value, 3)
  return {
    ticket: decodeInnerTicket(ticketBytesOf(ticket)),
    caveats: caveatListOf(caveats),
    client: principalOf(client),
  }
}

/**
 * @param key as for `createApRequest`.
 * @param client the principal whose ticket the presenter shows as its own; for the error's message
 * @throws OrthrusError `auth_failed`
 */
export function verifyApRequest(request: ApRequest, key: AuthKey, client: Principal): VerifiedApRequest {
  if (isMac(key, 'ap-req', request.mac, request.covered)) return request as VerifiedApRequest
  throw new OrthrusError('auth_failed', `the MAC was not made by the holder of ${client}'s ticket`, {
    principal: client,
  })
}

/** The service's proof of its answer to the request with this MAC. */
export function createApReply(
  key: AuthKey,
  requestMac: Uint8Array,
  { time, binding }: { readonly time: number; readonly binding: Uint8Array },
): Uint8Array {
  return createMacMessage(key, 'ap-rep', TYPE.AP_REP, [time, binding], requestMac).bytes
}

/**
 * The service's clock and the binding that it vouches for; the caller compares it with the response.
 * @throws OrthrusError `response_unproved`
 */
export function openApReply(
  key: AuthKey,
  requestMac: Uint8Array,
  bytes: Uint8Array,
): { time: number; binding: Uint8Array } {
  const [time, binding] = openProof(key, requestMac, bytes, TYPE.AP_REP)
  return { time: numberOf(time), binding: bytesOf(binding, SIZE.DIGEST) }
}

/** The answer to an AP-OPEN. The channel's key is derived from both messages. */
export function createApAccept(
  key: AuthKey,
  openMac: Uint8Array,
  { time, nonce }: { readonly time: number; readonly nonce: Uint8Array },
): Uint8Array {
  return createMacMessage(key, 'ap-rep', TYPE.AP_ACCEPT, [time, nonce], openMac).bytes
}

/** @throws OrthrusError `response_unproved` */
export function openApAccept(key: AuthKey, openMac: Uint8Array, bytes: Uint8Array): { time: number } {
  const [time, nonce] = openProof(key, openMac, bytes, TYPE.AP_ACCEPT)
  nonceOf(nonce)
  return { time: numberOf(time) }
}

function openProof(
  key: AuthKey,
  answered: Uint8Array,
  bytes: Uint8Array,
  type: typeof TYPE.AP_REP | typeof TYPE.AP_ACCEPT,
): readonly Value[] {
  const { body, covered, mac } = decodeMacMessage(bytes, type)
  if (!isMac(key, 'ap-rep', mac, covered, answered)) {
    throw new OrthrusError('response_unproved', 'the answer is not from the service the request was for')
  }
  return fields(body, 2)
}

/** What a replay cache keeps of a request (section 8, step 4). */
export function replayIdOf(request: ApRequest): Uint8Array {
  return request.mac.subarray(0, SIZE.REPLAY_ID)
}
