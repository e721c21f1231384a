import { equalBytes, sha256, sha256Ascii } from '#primitives'
import { toHex } from '../bytes.js'
import { LABEL } from '../constants.js'
import { malformed, type OrthrusError } from '../errors.js'
import { parseFurtherHeaders } from './further-headers.js'
import {
  COVERED_REQUEST_HEADERS,
  COVERED_RESPONSE_HEADERS,
  FURTHER_HEADER,
  OVERRIDE_HEADERS,
  SET_COOKIE,
} from './header-names.js'

/** The parts of a request and of a response that the AP exchange covers (docs/protocol.md section 8, HTTP binding). */

/**
 * Names, in upper or lower case, and values as they stood in the message. A name may occur twice. It is iterated a second
 * time if the message covers further headers.
 */
export type HeaderPairs = Iterable<readonly [name: string, value: string]>

/** In place of a body that is sealed: its records cover it by themselves (section 8, Sealed bodies). */
export const RECORDS = 'records'

/** The bytes of a body, `RECORDS` for one that is sealed, or `null` for one that the binding does not cover. */
export type CoveredBody = Uint8Array | typeof RECORDS | null

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

/** As `bindRequest`, for several heads of one body, which is hashed once. */
export function bindHeads(
  body: CoveredBody,
): (method: string, target: string, values: readonly string[]) => Uint8Array {
  const digest = digestOf(body)
  return (method, target, values) => digestLines([LABEL.HTTP_REQUEST, method, target, ...values, digest])
}

/** Whether the response to such a request may have a body. If not, it is bound with an empty one. */
export function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304
}

/** Whether the body of such a response can be sealed. That of a 205 is always empty, and clients do not read it. */
export function mayBeSealed(method: string, status: number): boolean {
  return hasBody(method, status) && status !== 205
}

/** @throws OrthrusError `malformed` if a covered header is repeated or empty */
export function responseBinding(status: number, headers: HeaderPairs, body: CoveredBody): Uint8Array {
  const values = coveredValues(RESPONSE, headers)
  return digestLines([LABEL.HTTP_RESPONSE, String(status), ...values, digestOf(body)])
}

/**
 * The values of the covered headers in order, '' for a missing one. If further ones are covered, the list of their names
 * and their values follow.
 * @throws OrthrusError `malformed`
 */
export function coveredRequestValues(headers: HeaderPairs): string[] {
  return coveredValues(REQUEST, headers)
}

const OVERRIDE = -1

/** What is covered in one direction. */
interface Coverage {
  readonly count: number
  /** The position of each covered header's value. The list of further ones comes after all of them. */
  readonly places: ReadonlyMap<string, number>
  /** The further header that may stand several times. */
  readonly repeatable?: string
}

const REQUEST = coverageOf(
  COVERED_REQUEST_HEADERS,
  OVERRIDE_HEADERS.map(name => [name, OVERRIDE] as const),
)
const RESPONSE: Coverage = { ...coverageOf(COVERED_RESPONSE_HEADERS, []), repeatable: SET_COOKIE }

function coverageOf(names: readonly string[], others: readonly (readonly [string, number])[]): Coverage {
  const places = [...names, FURTHER_HEADER].map((name, at) => [name, at] as const)
  return { count: names.length, places: new Map([...places, ...others]) }
}

function coveredValues(coverage: Coverage, headers: HeaderPairs): string[] {
  const { places, count } = coverage
  const values = new Array<string>(count).fill('')
  for (const [name, value] of headers) {
    const at = places.get(name.toLowerCase())
    if (at === undefined) continue
    if (at === OVERRIDE) throw malformed(`the header ${name} is not accepted`)
    if (values[at]) throw repeated(name)
    values[at] = trimmedValue(name, value)
  }
  const list = values[count]
  return list === undefined ? values : [...values, ...furtherValues(coverage, list, headers)]
}

/** Several values of one header, which none of them can contain, have this between them. */
const SEPARATOR = '\0'

function furtherValues({ repeatable }: Coverage, list: string, headers: HeaderPairs): Iterable<string> {
  const values = new Map(parseFurtherHeaders(list).map(name => [name, '']))
  for (const [name, value] of headers) {
    const covered = name.toLowerCase()
    const before = values.get(covered)
    if (before === undefined) continue
    if (before !== '' && covered !== repeatable) throw repeated(name)
    const own = trimmedValue(name, value)
    if (own.includes(SEPARATOR)) throw malformed(`the header ${name} contains U+0000`)
    values.set(covered, before === '' ? own : before + SEPARATOR + own)
  }
  return values.values()
}

function repeated(name: string): OrthrusError {
  return malformed(`the header ${name} occurs twice`)
}

function trimmedValue(name: string, value: string): string {
  const trimmed = trim(value)
  if (trimmed === '') throw malformed(`the header ${name} is empty`)
  return trimmed
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
  if (body === RECORDS) return RECORDS
  return body.length === 0 ? DIGEST_OF_NOTHING : toHex(sha256(body))
}

function digestLines(lines: readonly string[]): Uint8Array {
  if (lines.some(line => line.includes('\n'))) throw malformed('a line break inside what is bound')
  const text = lines.join('\n')
  return isAscii(text) ? sha256Ascii(text) : sha256(latin1(text))
}

/** Nearly every request and response: its text is hashed as it is, without a copy of it as bytes. */
function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are ASCII too
  return /^[\x00-\x7f]*$/.test(text)
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
