import { equalBytes, sha256 } from '#primitives'
import { toHex } from '../bytes.js'
import { LABEL } from '../constants.js'
import { malformed } from '../errors.js'

/** The parts of a request and of a response that the AP exchange covers (docs/protocol.md section 8, HTTP binding). */

export const COVERED_REQUEST_HEADERS = [
  'content-type',
  'content-encoding',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'orthrus-credential',
] as const

export const COVERED_RESPONSE_HEADERS = ['content-type', 'content-range', 'location'] as const

/** Headers that make frameworks treat a request as a different one. They are refused, whatever their value. */
export const OVERRIDE_HEADERS = [
  'x-http-method-override',
  'x-method-override',
  'x-http-method',
  'x-original-url',
  'x-rewrite-url',
] as const

export const CREDENTIAL_HEADER = 'orthrus-credential'

/** Names, in upper or lower case, and values as they stood in the message. A name may occur twice. */
export type HeaderPairs = Iterable<readonly [name: string, value: string]>

/** The bytes of a body, or `null` for a body that the binding does not cover. */
export type CoveredBody = Uint8Array | null

/** @throws OrthrusError `malformed` if a covered header is repeated or empty, or an override header is present */
export function requestBinding(
  method: string,
  target: string,
  headers: HeaderPairs,
  body: CoveredBody,
): Uint8Array {
  return bindRequest(method, target, coveredRequestValues(headers), body)
}

/** As `requestBinding`, for headers that were read before. @param values as returned by `coveredRequestValues`. */
export function bindRequest(
  method: string,
  target: string,
  values: readonly string[],
  body: CoveredBody,
): Uint8Array {
  return digestLines([LABEL.HTTP_REQUEST, method, target, ...values, digestOf(body)])
}

/** Whether the response to such a request may have a body. If not, it is bound with an empty one. */
export function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304
}

/** @throws OrthrusError `malformed` if a covered header is repeated or empty */
export function responseBinding(status: number, headers: HeaderPairs, body: CoveredBody): Uint8Array {
  const values = coveredValues(RESPONSE_PLACES, COVERED_RESPONSE_HEADERS.length, headers)
  return digestLines([LABEL.HTTP_RESPONSE, String(status), ...values, digestOf(body)])
}

/** The values of the covered headers in order, '' for a missing one. @throws OrthrusError `malformed` */
export function coveredRequestValues(headers: HeaderPairs): string[] {
  return coveredValues(REQUEST_PLACES, COVERED_REQUEST_HEADERS.length, headers)
}

const OVERRIDE = -1

/** The position of each covered header's value. */
const REQUEST_PLACES: ReadonlyMap<string, number> = new Map([
  ...placesOf(COVERED_REQUEST_HEADERS),
  ...OVERRIDE_HEADERS.map(name => [name, OVERRIDE] as const),
])
const RESPONSE_PLACES: ReadonlyMap<string, number> = new Map(placesOf(COVERED_RESPONSE_HEADERS))

function placesOf(names: readonly string[]): (readonly [string, number])[] {
  return names.map((name, at) => [name, at])
}

function coveredValues(places: ReadonlyMap<string, number>, count: number, headers: HeaderPairs): string[] {
  const values = new Array<string>(count).fill('')
  for (const [name, value] of headers) {
    const at = places.get(name.toLowerCase())
    if (at === undefined) continue
    if (at === OVERRIDE) throw malformed(`the header ${name} is not accepted`)
    if (values[at] !== '') throw malformed(`the header ${name} occurs twice`)
    const trimmed = trim(value)
    if (trimmed === '') throw malformed(`the header ${name} is empty`)
    values[at] = trimmed
  }
  return values
}

/** Trims white space. A regular expression would search for the end from every space inside. */
function trim(value: string): string {
  let [start, end] = [0, value.length]
  while (start < end && isSpace(value.charCodeAt(start))) start++
  while (start < end && isSpace(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

const DIGEST_OF_NOTHING = toHex(sha256(new Uint8Array()))

function digestOf(body: CoveredBody): string {
  if (body === null) return '-'
  return body.length === 0 ? DIGEST_OF_NOTHING : toHex(sha256(body))
}

function digestLines(lines: readonly string[]): Uint8Array {
  if (lines.some(line => line.includes('\n'))) throw malformed('a line break inside what is bound')
  return sha256(latin1(lines.join('\n')))
}

/** In header texts each character stands for one byte. @throws OrthrusError `malformed` */
function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0xff) throw malformed('a character that cannot stand in a request line or header')
    bytes[i] = code
  }
  return bytes
}

/** Whether two bindings are the same. */
export function isSameBinding(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a, b)
}
