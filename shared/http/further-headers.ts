import { malformed } from '../errors.js'
import { quoted } from '../shown-text.js'
import {
  COVERED_REQUEST_HEADERS,
  COVERED_RESPONSE_HEADERS,
  FURTHER_HEADER,
  OVERRIDE_HEADERS,
} from './header-names.js'

/** The names of further headers that a request or response covers (docs/protocol.md section 8, Further headers). */

export const NAMES_MAX = 32

/** The characters of a header's name, without upper case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/

const ALWAYS_COVERED: ReadonlySet<string> = new Set([...COVERED_REQUEST_HEADERS, ...COVERED_RESPONSE_HEADERS])

/** Headers that carry the exchange itself, and those that each connection on the way has for itself. */
const NEVER_COVERED: ReadonlySet<string> = new Set([
  ...OVERRIDE_HEADERS,
  FURTHER_HEADER,
  'authorization',
  'authentication-info',
  'www-authenticate',
  'host',
  'content-length',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * The names in a value of `orthrus-covered`.
 * @param list without white space around it
 * @throws OrthrusError `malformed` unless they are 1 to 32 names in lower case and ascending order, none of them twice
 * and each one that may be covered
 */
export function parseFurtherHeaders(list: string): string[] {
  const names = list.split(', ', NAMES_MAX + 1)
  if (names.length > NAMES_MAX) throw malformed(`${FURTHER_HEADER} has more than ${NAMES_MAX} names`)
  let last = ''
  for (const name of names) {
    const fault = faultIn(name)
    if (fault !== undefined) throw malformed(`${FURTHER_HEADER} names ${quoted(name)}, which ${fault}`)
    if (name <= last) throw malformed(`the names in ${FURTHER_HEADER} are not in ascending order, each once`)
    last = name
  }
  return names
}

const NONE: readonly string[] = Object.freeze([])

/** As `parseFurtherHeaders`, and no names of a message without a list. */
export function furtherNames(list: string | null | undefined): readonly string[] {
  return list === undefined || list === null ? NONE : Object.freeze(parseFurtherHeaders(list))
}

/** Why a name cannot be covered. */
export function faultIn(name: string): string | undefined {
  if (ALWAYS_COVERED.has(name)) return 'the protocol covers, or refuses, by itself'
  if (NEVER_COVERED.has(name)) return 'cannot be covered'
  return NAME.test(name) ? undefined : 'is no name of a header in lower case'
}
