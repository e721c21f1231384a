import { fromBase64url, toBase64url } from '../bytes.js'
import { LIMIT } from '../constants.js'
import { isWireCode, OrthrusError, type WireCode } from '../errors.js'
import { isRealm, type RealmName } from '../principal.js'
import type { HeaderPairs } from './binding.js'

/** The headers that carry the AP exchange (docs/protocol.md section 8, HTTP headers). */

export const SCHEME = 'Orthrus'

/** The value of `Authorization`, or of `Authentication-Info`. */
export function formatMessageHeader(bytes: Uint8Array): string {
  return `${SCHEME} ${toBase64url(bytes)}`
}

/**
 * The message in an `Authorization` header, or `undefined` if the header does not use this scheme.
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
  readonly realm: RealmName
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

/**
 * A list of credentials or challenges may have several authors: a gateway or an attacker may have put its own before,
 * after or around ours, with an unclosed quote or under our name. So ours are searched for wherever they may begin,
 * even inside one another, and the caller tries each: only a MAC shows which is genuine. Repetitions are bounded, so
 * that no header takes long to search.
 */
const MESSAGES = /(?:^|[\s,])orthrus(?=[ \t]{1,8}([A-Za-z0-9_-]+)(?![^\s,]))/gi
const CHALLENGES = /(?:^|[\s,"])orthrus(?=((?:[ \t,]{1,8}[a-z]{1,16}="[^"]{0,4096}"){1,8}))/gi
const PARAMETER = /([a-z]{1,16})="([^"]{0,4096})"/gi

/** The values of a header as one list, which is empty if the header is missing. */
export function listOf(headers: HeaderPairs, wanted: string): string {
  const values: string[] = []
  for (const [name, value] of headers) if (name.toLowerCase() === wanted) values.push(value)
  return values.join(', ')
}

/** All messages of this scheme in the values of `Authentication-Info`, in order. Everything else is skipped. */
export function parseMessages(list: string): Uint8Array[] {
  return placesOf(list, MESSAGES).flatMap(encoded => whole(() => [fromBase64url(encoded)]))
}

/** All challenges of this scheme in the values of `WWW-Authenticate`, in order. Everything else is skipped. */
export function parseChallenges(list: string): Challenge[] {
  return placesOf(list, CHALLENGES).flatMap(parameters => whole(() => challengesOf(parameters)))
}

/** More than any gateway writes. Whoever can write in front of our value could also remove it. */
const PLACES_MAX = 64

/** The text after our name, at the first places where the name occurs. */
function placesOf(list: string, pattern: RegExp): string[] {
  const places: string[] = []
  for (const [, followed = ''] of list.matchAll(pattern)) {
    places.push(followed)
    if (places.length === PLACES_MAX) break
  }
  return places
}

function challengesOf(parameters: string): Challenge[] {
  const values = new Map<string, string>()
  // The first of each name counts: another party may have appended more after ours.
  for (const [, name = '', value = ''] of parameters.matchAll(PARAMETER)) {
    if (!values.has(name.toLowerCase())) values.set(name.toLowerCase(), value)
  }
  const [realm, code, message] = ['realm', 'error', 'message'].map(name => values.get(name))
  if (realm === undefined || !isRealm(realm)) return []
  if (code === undefined || message === undefined) return [{ realm }]
  return isWireCode(code) ? [{ realm, code, error: fromBase64url(message) }] : []
}

/** `undefined` if the text does not have the required form. */
function whole<T>(read: () => T[]): T[] {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof OrthrusError) return []
    throw cause
  }
}

/** The HTTP status for a code: 401 except for these. */
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
