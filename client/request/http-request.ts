import { OrthrusError } from '../../shared/errors.js'
import { coveredRequestValues, RECORDS, requestBinding } from '../../shared/http/binding.js'
import {
  ACCEPT_HEADER,
  COVERED_REQUEST_HEADERS,
  CREDENTIAL_HEADER,
  ENCODING_HEADER,
  FURTHER_HEADER,
  SEALED_ENCODING,
} from '../../shared/http/header-names.js'
import { hasSecret, withoutSecrets } from '../../shared/shown-text.js'
import { shownUrl } from '../../shared/shown-url.js'
import { bodyOf, bodyStream, readBytes, requireBody } from './body.js'

/** A request as it is sent. It is built once, so that what is bound is what is sent (section 8, "HTTP binding"). */
export interface HttpRequest {
  readonly method: string
  readonly url: URL
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Empty if there is a `stream`. */
  readonly body: Uint8Array<ArrayBuffer>
  /** A body that is sealed while it is sent. */
  readonly stream: ReadableStream<Uint8Array> | undefined
  /** Whether that body is a stream of the caller, which may be too large to hold, or still come. */
  readonly isStreamed: boolean
  /** Whether a body is sealed, and no response is taken but a sealed one (section 8, Sealed bodies). */
  readonly sealed: boolean
  /** Further settings for the platform's `fetch`. None of them is bound. */
  readonly passing: RequestInit
  readonly redirect: Request['redirect']
}

const PASSING = ['credentials', 'keepalive', 'referrer', 'referrerPolicy', 'integrity', 'mode'] as const

/** The accepted cache modes. The others may answer with an old response, which proves nothing for this request. */
const CACHES: ReadonlySet<string> = new Set(['default', 'no-store', 'reload'])

export interface ReadOptions {
  /** Further headers to be bound: `cover.ts` covers them. */
  readonly cover?: readonly string[] | undefined
  readonly sealed?: boolean | undefined
}

/**
 * Lets the platform parse the arguments of `fetch`.
 * @throws TypeError for arguments that `fetch` does not accept, a header that this client sets itself, an override
 * header, and a covered header that appears twice or is empty
 */
export function readRequest(
  input: string | URL | Request,
  init: RequestInit,
  { cover, sealed = false }: ReadOptions = {},
): Request {
  if (init.headers !== undefined) refuseDoubled(init.headers, cover)
  requireBody(init.body)
  // `duplex` is required if the body is a stream, and ignored otherwise. The body is read whole before anything is
  // sent.
  const settings: RequestInit & { duplex: 'half' } = { ...init, ...bodyStream(init), duplex: 'half' }
  refuseSecret(input instanceof Request ? input.url : String(input))
  const request = parsed(input, settings)
  if (!/^https?:$/.test(new URL(request.url).protocol)) {
    throw new TypeError(`realm.fetch supports http: and https:, not ${shownUrl(request.url)}`)
  }
  if (request.mode === 'no-cors')
    throw new TypeError('mode "no-cors" hides the response, so it cannot be proved')
  if (!CACHES.has(request.cache)) {
    throw new TypeError(
      `cache "${request.cache}" is not supported: each response is proved for its own request`,
    )
  }
  if (request.headers.has(CREDENTIAL_HEADER)) {
    throw new TypeError('a credential is never sent unencrypted: pass the ticket as handOff')
  }
  if (request.headers.has('authorization')) {
    throw new TypeError('realm.fetch sets Authorization itself: leave it out')
  }
  refuseSealing(request.headers, sealed)
  if (request.headers.has(FURTHER_HEADER)) {
    throw new TypeError(`realm.fetch sets ${FURTHER_HEADER} itself: pass the names as cover`)
  }
  requireBindable(request.headers)
  return request
}

/** @throws TypeError for headers that no binding holds */
export function requireBindable(headers: Headers): void {
  try {
    coveredRequestValues(headers)
  } catch (cause) {
    if (cause instanceof OrthrusError) throw new TypeError(`${cause.reason}: leave it out`, { cause })
    throw cause
  }
}

function refuseSealing(headers: Headers, sealed: unknown): void {
  if (typeof sealed !== 'boolean') throw new TypeError('sealed is true or false')
  if (headers.has(ACCEPT_HEADER)) {
    throw new TypeError(`realm.fetch sets ${ACCEPT_HEADER} itself: pass sealed: true`)
  }
  const encoding = headers.get(ENCODING_HEADER)
  if (encoding === SEALED_ENCODING) {
    throw new TypeError(`realm.fetch sets ${ENCODING_HEADER}: ${SEALED_ENCODING} itself: pass sealed: true`)
  }
  if (sealed && encoding !== null) {
    throw new TypeError('a sealed body has no content-encoding of the caller: leave it out')
  }
}

/** The platform quotes what it refuses, be it a method, a header or a setting. */
function parsed(input: string | URL | Request, settings: RequestInit): Request {
  try {
    return new Request(input, settings)
  } catch (cause) {
    if (cause instanceof Error && hasSecret(cause.message)) throw new TypeError(withoutSecrets(cause.message))
    throw cause
  }
}

/** The platform would refuse it too, and quote it. A URL may have a secret in it, but is none. */
function refuseSecret(text: string): void {
  if (!URL.canParse(text) && hasSecret(text))
    throw new TypeError('this is a secret, where the URL of a service belongs')
  refuseUserInfo(text)
}

/** The platform would refuse it too, but its error message would contain the password. */
function refuseUserInfo(text: string): void {
  const { username = '', password = '' } = URL.canParse(text) ? new URL(text) : {}
  if (username === '' && password === '') return
  throw new TypeError(`realm.fetch accepts no name and password in a URL: write ${shownUrl(text)}`)
}

const COVERED: ReadonlySet<string> = new Set(COVERED_REQUEST_HEADERS)

/** `Headers` joins the values of a header that appears twice into one value that the caller never wrote. */
function refuseDoubled(headers: HeadersInit, cover: readonly string[] = []): void {
  if (headers instanceof Headers) return
  const further = new Set(Array.isArray(cover) ? cover.map(name => String(name).toLowerCase()) : [])
  const names = Array.isArray(headers) ? headers.map(([name]) => String(name)) : Object.keys(headers)
  const seen = new Set<string>()
  for (const name of names.map(one => one.toLowerCase())) {
    if (seen.has(name) && (COVERED.has(name) || further.has(name)))
      throw new TypeError(`the header ${withoutSecrets(name)} appears twice: leave one out`)
    seen.add(name)
  }
}

/** The settings in `init` that cannot be read back from a `Request`. */
export interface UnreadInit {
  readonly priority?: 'high' | 'low' | 'auto'
  /** A setting of undici: the object that makes the connections. */
  readonly dispatcher?: unknown
}

export function unreadInit({ priority, dispatcher }: UnreadInit): UnreadInit {
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  }
}

export interface CollectOptions {
  /** The largest body that is collected, bytes. */
  readonly maxBytes: number
  readonly unread?: UnreadInit
  readonly sealed?: boolean
  readonly isStreamed?: boolean
}

/**
 * Reads the body of a request, unless it is sealed while it is sent, and copies the rest.
 * @throws OrthrusError `too_large`
 * @throws the reason of the request's signal, if it is aborted
 */
export async function collectRequest(
  request: Request,
  { maxBytes, unread = {}, sealed = false, isStreamed = false }: CollectOptions,
): Promise<HttpRequest> {
  const passing = { ...Object.fromEntries(PASSING.map(name => [name, request[name]])), ...unread }
  const body = await bodyOf(request)
  const head = {
    method: request.method,
    url: plain(new URL(request.url)),
    passing,
    redirect: request.redirect,
    sealed,
  }
  if (sealed && body !== null) {
    const headers = [...request.headers, [ENCODING_HEADER, SEALED_ENCODING] as const]
    return { ...head, headers, body: NOTHING, stream: body, isStreamed }
  }
  const bytes = await readBytes(body, maxBytes, 'request', 'maxRequest')
  return { ...head, headers: [...request.headers], body: bytes, stream: undefined, isStreamed: false }
}

const NOTHING = new Uint8Array()

/** The same request, to another URL of the same service. */
export function redirected(request: HttpRequest, url: URL): HttpRequest {
  return { ...request, url: plain(url) }
}

/** The same request with additional headers. */
export function withHeaders(request: HttpRequest, headers: HttpRequest['headers']): HttpRequest {
  return { ...request, headers: [...request.headers, ...headers] }
}

/**
 * Characters of a path that `fetch` does not encode, although RFC 3986 demands it. A `paths` caveat never holds for a
 * path that contains one.
 */
const LEFT_BY_FETCH = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/g

/** The part of a URL that is sent. Only some platforms keep the `?` of an empty query, so it is removed. */
function plain(url: URL): URL {
  const sent = new URL(url)
  sent.hash = ''
  sent.pathname = sent.pathname.replace(LEFT_BY_FETCH, encodeURIComponent)
  if (sent.search === '') sent.search = ''
  return sent
}

/** The target as it stands on the request line. */
export function targetOf({ url }: Pick<HttpRequest, 'url'>): string {
  return url.pathname + url.search
}

/** The binding of the request, which its AP-REQ covers. */
export function bindingOf(request: HttpRequest): Uint8Array {
  const { method, headers, body, stream } = request
  return requestBinding(method, targetOf(request), headers, stream === undefined ? body : RECORDS)
}
