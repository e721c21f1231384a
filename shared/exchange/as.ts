import { OPTION_RENEW, OPTIONS_DEFINED, TYPE } from '../constants.js'
import { isMac } from '../crypto/derive.js'
import type { LongTermKey } from '../crypto/keys.js'
import type { RandomSource } from '../crypto/random.js'
import { bitsOf, fields, nonceOf, numberOf, principalOf, servicesOf } from '../encoding/fields.js'
import { createMacMessage, decodeMacMessage } from '../encoding/message.js'
import { OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'
import { openReply, type Reply, sealReply } from './reply.js'

/** The AS exchange: one round trip from a long-term key to a TGT and tickets (docs/protocol.md section 6). */

export interface AsQuestion {
  readonly client: Principal
  /** 0 asks for the current password key. */
  readonly kvno: number
  /** Milliseconds, KDC time as the client knows it. */
  readonly time: number
  readonly nonce: Uint8Array
  readonly services: readonly Principal[]
  /** Milliseconds; the limit for every ticket granted. 0 asks for the longest allowed. */
  readonly lifetime: number
  readonly renewable: boolean
}

export interface AsRequest extends AsQuestion {
  readonly bytes: Uint8Array
  readonly covered: Uint8Array
  readonly mac: Uint8Array
}

/** A request whose client has proved its long-term key. */
export interface VerifiedAsRequest extends AsRequest {
  /** For the compiler alone. */
  readonly [verified]: true
}

declare const verified: unique symbol

export function createAsRequest(key: LongTermKey, question: AsQuestion): AsRequest {
  const { client, kvno, time, nonce, services, lifetime, renewable } = question
  const body = [client, kvno, time, nonce, [...services], lifetime, renewable ? OPTION_RENEW : 0]
  const message = createMacMessage(key, 'as-req', TYPE.AS_REQ, body)
  return { ...question, ...message }
}

/** @throws OrthrusError `too_large` `unsupported_version` `malformed` */
export function decodeAsRequest(bytes: Uint8Array): AsRequest {
  const { body, covered, mac } = decodeMacMessage(bytes, TYPE.AS_REQ)
  const [client, kvno, time, nonce, services, lifetime, options] = fields(body, 7)
  return {
    client: principalOf(client),
    kvno: numberOf(kvno),
    time: numberOf(time),
    nonce: nonceOf(nonce),
    services: servicesOf(services),
    lifetime: numberOf(lifetime),
    renewable: (bitsOf(options, OPTIONS_DEFINED) & OPTION_RENEW) !== 0,
    bytes,
    covered,
    mac,
  }
}

/** @throws OrthrusError `auth_failed` */
export function verifyAsRequest(request: AsRequest, key: LongTermKey): VerifiedAsRequest {
  if (isMac(key, 'as-req', request.mac, request.covered)) return request as VerifiedAsRequest
  throw new OrthrusError('auth_failed', `${request.client} did not prove its key`, {
    principal: request.client,
    kvno: request.kvno,
  })
}

export function createAsReply(
  key: LongTermKey,
  request: VerifiedAsRequest,
  reply: Reply,
  random: RandomSource,
): Uint8Array {
  return sealReply(key, 'as-rep', TYPE.AS_REP, request.bytes, reply, random)
}

/**
 * Opens the KDC's reply to this request. `requireAnswers` then checks that it answers what was asked.
 * @throws OrthrusError `auth_failed` if it is not the KDC's reply to this request; `malformed`
 */
export function openAsReply(key: LongTermKey, request: AsRequest, bytes: Uint8Array): Reply {
  return openReply(key, 'as-rep', TYPE.AS_REP, request.bytes, bytes, { principal: request.client })
}
