import { formatFurtherHeaders, furtherHeadersOf } from '../../shared/http/further-headers.js'
import { FURTHER_HEADER } from '../../shared/http/header-names.js'
import { quoted } from '../../shared/shown-text.js'

/** The option `cover` of `fetch` (docs/protocol.md section 8, Further headers). */

/**
 * Headers that some platform adds to a request that has none, in Node or in a browser. What it will write is not known
 * when the request is bound.
 */
const ADDED_BY_PLATFORMS: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-language',
  'access-control-request-headers',
  'access-control-request-method',
  'access-control-request-private-network',
  'alt-used',
  'cache-control',
  'cookie',
  'cookie2',
  'date',
  'device-memory',
  'dnt',
  'downlink',
  'dpr',
  'ect',
  'expect',
  'origin',
  'pragma',
  'priority',
  'purpose',
  'referer',
  'rtt',
  'save-data',
  'upgrade-insecure-requests',
  'user-agent',
  'via',
  'viewport-width',
  'width',
])

/** Set on each request, whatever the caller gave: `accept-encoding` by this client, the others by the platform. */
const ALWAYS_SET = /^(?:accept-encoding|sec-.*)$/

/**
 * Names the further headers in the request, so that they are bound.
 * @param given the option, as the caller wrote it
 * @throws TypeError for a name that cannot be covered, or a header that the platform fills in by itself
 */
export function coverFurther(headers: Headers, given: unknown): void {
  if (headers.has(FURTHER_HEADER)) {
    throw new TypeError(`realm.fetch sets ${FURTHER_HEADER} itself: pass the names as cover`)
  }
  if (given === undefined) return
  const names = furtherHeadersOf('cover', given)
  for (const name of names) requireOwn(headers, name)
  if (names.length > 0) headers.set(FURTHER_HEADER, formatFurtherHeaders(names))
}

/** A browser drops what it does not let a page set, so that too is missing here. */
function requireOwn(headers: Headers, name: string): void {
  const isPlatforms = ADDED_BY_PLATFORMS.has(name) && !headers.has(name)
  if (!isPlatforms && !ALWAYS_SET.test(name)) return
  const advice = isPlatforms ? 'give it a value in headers, or leave it out of cover' : 'leave it out'
  throw new TypeError(
    `cover names ${quoted(name)}, which is filled in when the request is sent and so cannot be bound: ${advice}`,
  )
}
