import { fromBase64url, toBase64url } from '../bytes.js'
import { LIMIT } from '../constants.js'
import { isWireCode, malformed, OrthrusError, type WireCode } from '../errors.js'
import { isRealm, type Realm } from '../principal.js'

/** The headers in which the AP exchange travels (docs/protocol.md section 8, HTTP headers). */

export const SCHEME = 'Orthrus'

/** The value of `Authorization`, or of `Authentication-Info`. */
export function formatMessageHeader(bytes: Uint8Array): string {
  return `${SCHEME} ${toBase64url(bytes)}`
}

/**
 * The message in an `Authorization` header, or `undefined` where there is none of this scheme.
 * @throws OrthrusError `too_large` over 8 KiB of base64url; `malformed`
 */
export function parseMessageHeader(value: string | undefined): Uint8Array | undefined {
  const encoded = value?.match(/^orthrus +(\S*)$/i)?.[1]
  if (encoded === undefined) return undefined
  if (encoded.length > LIMIT.AUTHORIZATION_BYTES) {
    throw new OrthrusError('too_large', 'an Authorization header of more than 8 KiB', { final: true })
  }
  return fromBase64url(encoded)
}

export interface Challenge {
  readonly realm: Realm
  readonly code?: WireCode
  /** The ERROR message that says so; `code` alone proves nothing. */
  readonly error?: Uint8Array
}

/** The value of `WWW-Authenticate`. */
export function formatChallenge({ realm, code, error }: Challenge): string {
  const parts = [`realm="${realm}"`]
  if (code !== undefined) parts.push(`error="${code}"`)
  if (error !== undefined) parts.push(`message="${toBase64url(error)}"`)
  return `${SCHEME} ${parts.join(', ')}`
}

const CHALLENGE =
  /^orthrus realm="([a-z0-9.-]{1,253})"(?:, error="([a-z_]{1,32})", message="([A-Za-z0-9_-]{0,2048})")?$/i

/** `undefined` where the header is missing or of another scheme. @throws OrthrusError `malformed` */
export function parseChallenge(value: string | undefined): Challenge | undefined {
  if (value === undefined || !/^orthrus(?: |$)/i.test(value)) return undefined
  const [, realm, code, message] = CHALLENGE.exec(value) ?? []
  if (realm === undefined || !isRealm(realm)) throw malformed('a challenge of an unknown form')
  if (code === undefined || message === undefined) return { realm }
  if (!isWireCode(code)) throw malformed('a code that does not exist')
  return { realm, code, error: fromBase64url(message) }
}

/** The HTTP status that goes with a code: 401 but for these. */
const STATUS: Partial<Record<WireCode, number>> = {
  malformed: 400,
  caveat_failed: 403,
  delegation_invalid: 403,
  not_authorized: 403,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
}

export function statusOf(code: WireCode): number {
  return STATUS[code] ?? 401
}
