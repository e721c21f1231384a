import { OrthrusError } from '../../shared/errors.js'
import {
  COVERED_REQUEST_HEADERS,
  CREDENTIAL_HEADER,
  coveredRequestValues,
  requestBinding,
} from '../../shared/http/binding.js'
import { shownUrl } from '../../shared/shown-url.js'
import { bodyOf, bodyStream, readBytes } from './body.js'

/** A request as it goes out: built once, so that what is bound is what is sent (section 8, "HTTP binding"). */
export interface HttpRequest {
  readonly method: string
  readonly url: URL
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array<ArrayBuffer>
  /** What else of it the platform is to know; none of it is bound. */
  readonly passing: RequestInit
  readonly redirect: RequestRedirect
}

const PASSING = ['credentials', 'keepalive', 'referrer', 'referrerPolicy', 'integrity', 'mode'] as const

/** The cache modes that never answer from a cache, whose responses prove nothing for a new request. */
const CACHES: ReadonlySet<string> = new Set(['default', 'no-store', 'reload'])

/**
 * The platform's reading of what `fetch` takes. @throws TypeError for what `fetch` does not take, a header that
 * this client sets itself, an override header, and a covered header that is doubled or empty
 */
export function readRequest(input: RequestInfo | URL, init: RequestInit): Request {
  if (init.headers !== undefined) refuseDoubled(init.headers)
  // Needed where the body is a stream, ignored elsewhere; the body is read whole before anything is sent.
  const settings: RequestInit & { duplex: 'half' } = { ...init, ...bodyStream(init), duplex: 'half' }
  refuseUserInfo(input instanceof Request ? input.url : String(input))
  const request = new Request(input, settings)
  if (!/^https?:$/.test(new URL(request.url).protocol)) {
    throw new TypeError(`realm.fetch speaks http: and https:, not ${shownUrl(request.url)}`)
  }
  if (request.mode === 'no-cors') throw new TypeError('mode "no-cors" shows no response that could be proved')
  if (!CACHES.has(request.cache)) {
    throw new TypeError(`cache "${request.cache}" is not taken: each response is proved for its own request`)
  }
  if (request.headers.has(CREDENTIAL_HEADER)) {
    throw new TypeError('a credential is never sent in clear: pass the ticket as handOff')
  }
  if (request.headers.has('authorization')) {
    throw new TypeError('realm.fetch sets Authorization itself: leave it out')
  }
  try {
    coveredRequestValues(request.headers)
  } catch (cause) {
    if (cause instanceof OrthrusError) throw new TypeError(`${cause.reason}: leave it out`, { cause })
    throw cause
  }
  return request
}

/** The platform refuses it too, and shows the password in its error. */
function refuseUserInfo(text: string): void {
  const { username = '', password = '' } = URL.canParse(text) ? new URL(text) : {}
  if (username === '' && password === '') return
  throw new TypeError(`realm.fetch takes no name and password in a URL: write ${shownUrl(text)}`)
}

const COVERED: ReadonlySet<string> = new Set(COVERED_REQUEST_HEADERS)

/** `Headers` joins a doubled header into one that nobody wrote. */
function refuseDoubled(headers: HeadersInit): void {
  if (headers instanceof Headers) return
  const names = Array.isArray(headers) ? headers.map(([name]) => String(name)) : Object.keys(headers)
  const seen = new Set<string>()
  for (const name of names.map(one => one.toLowerCase())) {
    if (seen.has(name) && COVERED.has(name)) throw new TypeError(`the header ${name} twice: leave one out`)
    seen.add(name)
  }
}

/** What of `init` a `Request` does not show. */
export interface UnreadInit {
  readonly priority?: RequestPriority
  /** Of undici: what makes the connections. */
  readonly dispatcher?: unknown
}

export function unreadInit({ priority, dispatcher }: UnreadInit): UnreadInit {
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  }
}

/** Reads the body. @param maxBytes of body. @throws OrthrusError `too_large`; the signal's reason */
export async function collectRequest(
  request: Request,
  maxBytes: number,
  unread: UnreadInit = {},
): Promise<HttpRequest> {
  const passing = { ...Object.fromEntries(PASSING.map(name => [name, request[name]])), ...unread }
  return {
    method: request.method,
    url: plain(new URL(request.url)),
    headers: [...request.headers],
    body: await readBytes(await bodyOf(request), maxBytes, 'request', 'maxRequest'),
    passing,
    redirect: request.redirect,
  }
}

/** The same request to another address of the same service. */
export function redirected(request: HttpRequest, url: URL): HttpRequest {
  return { ...request, url: plain(url) }
}

/** The same request with headers more. */
export function withHeaders(request: HttpRequest, headers: HttpRequest['headers']): HttpRequest {
  return { ...request, headers: [...request.headers, ...headers] }
}

/** What `fetch` leaves as it is in a path, though RFC 3986 has it encoded, and no `paths` caveat holds with it. */
const LEFT_BY_FETCH = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/g

/** What of a URL is sent. An empty query has a `?` on some platforms and none on others. */
function plain(url: URL): URL {
  const sent = new URL(url)
  sent.hash = ''
  sent.pathname = sent.pathname.replace(LEFT_BY_FETCH, encodeURIComponent)
  if (sent.search === '') sent.search = ''
  return sent
}

/** As on the request line. */
export function targetOf({ url }: Pick<HttpRequest, 'url'>): string {
  return url.pathname + url.search
}

/** What of the request the AP-REQ covers. */
export function bindingOf(request: HttpRequest): Uint8Array {
  return requestBinding(request.method, targetOf(request), request.headers, request.body)
}
