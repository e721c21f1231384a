import { TYPE } from '../constants.js'
import { isMac } from '../crypto/derive.js'
import type { AuthKey, LongTermKey } from '../crypto/keys.js'
import { OrthrusError, type WireCode } from '../errors.js'
import { errorCodeOf, fields, nullable, numberOf, textOf } from './fields.js'
import { createMacMessage, createMessage, decodeMacMessage, decodeMessage, messageType } from './message.js'

/**
 * ERROR messages: type 05, which anyone may have written, and type 06, which has a MAC (docs/protocol.md section 3).
 */

export interface ErrorContent {
  readonly code: WireCode
  /** The sender's clock, milliseconds. */
  readonly time: number
  /** Only in a service's `clock_skew`: no request stamped at or below it is accepted. */
  readonly floor: number | null
  readonly message: string
}

export interface WireError extends ErrorContent {
  /** Whether it has a MAC that was checked and is right. */
  readonly authenticated: boolean
}

export function createError({ code, time, floor, message }: ErrorContent): Uint8Array {
  return createMessage(TYPE.ERROR, [code, time, floor, message])
}

/** @param requestMac the MAC of the request that this answers. */
export function createAuthenticatedError(
  key: LongTermKey | AuthKey,
  requestMac: Uint8Array,
  { code, time, floor, message }: ErrorContent,
): Uint8Array {
  const body = [code, time, floor, message]
  return createMacMessage(key, 'error', TYPE.ERROR_AUTHENTICATED, body, requestMac).bytes
}

/**
 * Reads an ERROR that answers the request with this MAC under this key. Type 05 is returned with `authenticated` false
 * and proves nothing.
 * @throws OrthrusError `auth_failed` for a type 06 under another key or for another request; `malformed`
 */
export function openError(bytes: Uint8Array, key: LongTermKey | AuthKey, requestMac: Uint8Array): WireError {
  if (messageType(bytes) === TYPE.ERROR) return openUnauthenticatedError(bytes)
  const { body, covered, mac } = decodeMacMessage(bytes, TYPE.ERROR_AUTHENTICATED)
  if (!isMac(key, 'error', mac, covered, requestMac)) {
    throw new OrthrusError('auth_failed', 'the MAC of the error was not made by the other side')
  }
  return { ...contentFrom(body), authenticated: true }
}

/** Reads an ERROR of type 05, where there is no key to check anything with. @throws OrthrusError `malformed` */
export function openUnauthenticatedError(bytes: Uint8Array): WireError {
  return { ...contentFrom(decodeMessage(bytes, TYPE.ERROR)), authenticated: false }
}

function contentFrom(body: Parameters<typeof fields>[0]): ErrorContent {
  const [code, time, floor, message] = fields(body, 4)
  return {
    code: errorCodeOf(code),
    time: numberOf(time),
    floor: nullable(floor, numberOf),
    message: textOf(message),
  }
}

/**
 * What an answer says that the caller has made itself, so no MAC is checked: the code of an ERROR of either type,
 * `undefined` of any other message.
 * @throws OrthrusError `malformed`
 */
export function codeOfAnswer(bytes: Uint8Array): WireCode | undefined {
  if (!isError(bytes)) return undefined
  if (messageType(bytes) === TYPE.ERROR) return openUnauthenticatedError(bytes).code
  return contentFrom(decodeMacMessage(bytes, TYPE.ERROR_AUTHENTICATED).body).code
}

/** Whether the bytes are an ERROR of either type. */
export function isError(bytes: Uint8Array): boolean {
  const type = messageType(bytes)
  return type === TYPE.ERROR || type === TYPE.ERROR_AUTHENTICATED
}
