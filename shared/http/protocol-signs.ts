import type { HeaderPairs } from './binding.js'
import { ENCODING_HEADER } from './header-names.js'

/** Headers of credentials and of proofs, in either direction: a request with one of an answer is a mistake or a trick. */
const MAY_NAME_SCHEME: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'authentication-info',
  'proxy-authentication-info',
  'www-authenticate',
  'proxy-authenticate',
  ENCODING_HEADER,
])

/**
 * The scheme at the beginning, whatever is written behind it, or as a word of its own further on: a gateway may have joined
 * what several parties wrote.
 */
const NAMES_SCHEME = /^["'\s]*orthrus(?![\w-])|[\s,"']orthrus(?![^\s,])/i

/** `orthrus-covered`, `orthrus-credential`, `orthrus-accept`, and whatever a later version adds. */
const OWN_HEADER = /^orthrus-/i

/**
 * Whether a request or response has anything of the protocol in its headers, be it wrong, cut off or only a part: the name
 * of the scheme, another header of the protocol, a body that is marked as sealed. Only what says nothing of Orthrus may be
 * left to something else, or taken without a proof.
 */
export function showsProtocol(headers: HeaderPairs): boolean {
  for (const [name, value] of headers) {
    if (OWN_HEADER.test(name)) return true
    if (MAY_NAME_SCHEME.has(name.toLowerCase()) && NAMES_SCHEME.test(value)) return true
  }
  return false
}
