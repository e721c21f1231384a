import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { HeaderPairs } from '../../shared/http/binding.js'
import { formatFurtherHeaders, furtherHeadersOf } from '../../shared/http/further-option.js'
import { COVERED_RESPONSE_HEADERS, FURTHER_HEADER } from '../../shared/http/header-names.js'

type HeaderValue = string | number | readonly string[]

export type GivenHeaders = OutgoingHttpHeaders | readonly HeaderValue[]

/** The forms that `writeHead` takes: an object, a flat list of names and values, a list of pairs. */
export function groupHeaders(given: GivenHeaders | undefined): Map<string, string | number | string[]> {
  const grouped = new Map<string, string | number | string[]>()
  for (const [name, value] of pairsOf(given)) {
    const known = [...grouped.keys()].find(other => other.toLowerCase() === name.toLowerCase())
    if (known === undefined) grouped.set(name, typeof value === 'object' ? [...value] : value)
    else grouped.set(known, [grouped.get(known), value].flat().map(String))
  }
  return grouped
}

function pairsOf(given: GivenHeaders | undefined): (readonly [string, HeaderValue])[] {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given)) return Object.entries(given) as [string, HeaderValue][]
  if (given.every(item => Array.isArray(item))) return given as unknown as [string, HeaderValue][]
  if (given.length % 2 !== 0) throw new TypeError('a list of headers has a value for each name')
  return Array.from({ length: given.length / 2 }, (_, i) => [String(given[2 * i]), given[2 * i + 1]])
}

/**
 * The covered headers as they will be sent: one pair for each line.
 * @param further the names of those that are covered beside the usual ones; `nameFurther` sets the header that says so
 */
export function coveredHeaderPairs(res: ServerResponse, further: readonly string[]): HeaderPairs {
  const pairs: (readonly [string, string])[] = []
  for (const name of COVERED_RESPONSE_HEADERS) addPairs(pairs, name, res.getHeader(name))
  if (further.length === 0) return pairs
  pairs.push([FURTHER_HEADER, formatFurtherHeaders(further)])
  for (const name of further) addPairs(pairs, name, res.getHeader(name))
  return pairs
}

function addPairs(
  pairs: (readonly [string, string])[],
  name: string,
  value: ReturnType<ServerResponse['getHeader']>,
): void {
  if (Array.isArray(value)) for (const item of value) pairs.push([name, item])
  else if (value !== undefined) pairs.push([name, String(value)])
}

/**
 * The further headers that one gate covers, and those that another gate names before the handler.
 * @param further both as `furtherHeadersOf` returns them
 * @throws TypeError if they are more than 32 together
 */
export function coveredTogether(further: readonly string[], more: readonly string[]): readonly string[] {
  if (more.every(name => further.includes(name))) return further
  return furtherHeadersOf('coverResponseHeaders of all gates together', [...new Set([...further, ...more])])
}

/** What a handler wrote there itself, or passed on from another service, is not what this proof covers. */
export function nameFurther(
  own: { setHeader(name: string, value: string): unknown; removeHeader(name: string): void },
  further: readonly string[],
): void {
  if (further.length === 0) own.removeHeader(FURTHER_HEADER)
  else own.setHeader(FURTHER_HEADER, formatFurtherHeaders(further))
}

/** `connection` stays: it is not part of the handler's answer. */
export function clearHeaders(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) if (name !== 'connection') res.removeHeader(name)
}
