import { OPTION_RENEW, OPTIONS_DEFINED, TYPE } from '../constants.js'
import { isMac } from '../crypto/derive.js'
import type { AuthKey } from '../crypto/keys.js'
import type { RandomSource } from '../crypto/random.js'
import {
  bitsOf,
  caveatListOf,
  fields,
  nonceOf,
  numberOf,
  servicesOf,
  ticketBytesOf,
} from '../encoding/fields.js'
import { createMacMessage, decodeMacMessage } from '../encoding/message.js'
import { OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'
import { decodeInnerTicket, type SealedTicket } from '../ticket/ticket.js'
import { openReply, type Reply, sealReply } from './reply.js'

/** The TGS exchange: a TGT for service tickets, or for a renewed TGT (docs/protocol.md section 7). */

export interface TgsQuestion {
  readonly caveats: readonly Uint8Array[]
  /** Milliseconds, KDC time as the client knows it. */
  readonly time: number
  readonly nonce: Uint8Array
  readonly services: readonly Principal[]
  /** Milliseconds; 0 asks for the longest allowed. */
  readonly lifetime: number
  /** Whether to renew the TGT itself. */
  readonly renew: boolean
}

export interface TgsRequest extends TgsQuestion {
  readonly tgt: SealedTicket
  readonly bytes: Uint8Array
  readonly covered: Uint8Array
  readonly mac: Uint8Array
}

/** A request whose sender has proved the key at the end of the TGT's chain of caveats. */
export interface VerifiedTgsRequest extends TgsRequest {
  /** For the compiler alone. */
  readonly [verified]: true
}

declare const verified: unique symbol

/** @param key `A_n` of the TGT with `question.caveats`. */
export function createTgsRequest(key: AuthKey, tgt: SealedTicket, question: TgsQuestion): TgsRequest {
  const { caveats, time, nonce, services, lifetime, renew } = question
  const body = [tgt.bytes, [...caveats], time, nonce, [...services], lifetime, renew ? OPTION_RENEW : 0]
  const message = createMacMessage(key, 'tgs-req', TYPE.TGS_REQ, body)
  return { ...question, ...message, tgt }
}

/** @throws OrthrusError `too_large` `unsupported_version` `malformed` */
export function decodeTgsRequest(bytes: Uint8Array): TgsRequest {
  const { body, covered, mac } = decodeMacMessage(bytes, TYPE.TGS_REQ)
  const [tgt, caveats, time, nonce, services, lifetime, options] = fields(body, 7)
  return {
    tgt: decodeInnerTicket(ticketBytesOf(tgt)),
    caveats: caveatListOf(caveats),
    time: numberOf(time),
    nonce: nonceOf(nonce),
    services: servicesOf(services),
    lifetime: numberOf(lifetime),
    renew: (bitsOf(options, OPTIONS_DEFINED) & OPTION_RENEW) !== 0,
    bytes,
    covered,
    mac,
  }
}

/** @throws OrthrusError `auth_failed` */
export function verifyTgsRequest(request: TgsRequest, key: AuthKey): VerifiedTgsRequest {
  if (isMac(key, 'tgs-req', request.mac, request.covered)) return request as VerifiedTgsRequest
  throw new OrthrusError('auth_failed', 'the sender of the TGS request did not prove the key of its TGT')
}

export function createTgsReply(
  key: AuthKey,
  request: VerifiedTgsRequest,
  reply: Reply,
  random: RandomSource,
): Uint8Array {
  return sealReply(key, 'tgs-rep', TYPE.TGS_REP, request.bytes, reply, random)
}

/**
 * Opens the KDC's reply to this request. `requireAnswers` then checks that it answers what was asked.
 * @throws OrthrusError `auth_failed` if it is not the KDC's reply to this request; `malformed`
 */
export function openTgsReply(key: AuthKey, request: TgsRequest, bytes: Uint8Array): Reply {
  return openReply(key, 'tgs-rep', TYPE.TGS_REP, request.bytes, bytes)
}
