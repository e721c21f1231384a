import { formatFurtherHeaders, furtherHeadersOf } from '../../shared/http/further-option.js'
import { ACCEPT_HEADER, ACCEPTS_RECORDS, FURTHER_HEADER } from '../../shared/http/header-names.js'
import { quoted } from '../../shared/shown-text.js'
import { type ReadOptions, requireBindable } from './http-request.js'

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
 * Names the further headers in the request, so that they are bound: those of `cover`, and of one whose body is sealed the header that
 * says which answers are taken.
 * @param headers of a request that was read
 * @throws TypeError for a name that cannot be covered, a header that the platform fills in by itself, and a covered header that
 * appears twice or is empty
 */
export function coverFurther(headers: Headers, { cover, sealed = false }: ReadOptions): void {
  if (sealed) headers.set(ACCEPT_HEADER, ACCEPTS_RECORDS)
  const names = furtherHeadersOf('cover', sealed ? withAcceptance(cover) : cover)
  for (const name of names) requireOwn(headers, name)
  if (names.length > 0) headers.set(FURTHER_HEADER, formatFurtherHeaders(names))
  requireBindable(headers)
}

/** Anything but a list of texts is left to `furtherHeadersOf`, which refuses it. */
function withAcceptance(cover: unknown): unknown {
  if (cover === undefined) return [ACCEPT_HEADER]
  return Array.isArray(cover) ? [...new Set([...cover, ACCEPT_HEADER])] : cover
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
