import {
  ACCEPT_HEADER,
  COVERED_REQUEST_HEADERS,
  COVERED_RESPONSE_HEADERS,
  FURTHER_HEADER,
  SET_COOKIE,
} from '../../shared/http/header-names.js'
import { isWebOrigin } from '../../shared/http/origins.js'
import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { shown } from '../../shared/shown-text.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import type { Report } from '../report/events.js'
import type { Header } from './message.js'
import { requestFields } from './refuse.js'

/** Which pages of browsers may call the service from another origin, and what they may send and read. */
export interface CorsOptions {
  /** Such as `['https://app.example']`. There is no `'*'`: each origin is named. */
  readonly origins: readonly string[]
  /** Further headers that they may send, beside those of the protocol and what `requireCovered` names. Default: none. */
  readonly headers?: readonly string[]
  /** Further headers that they may read, beside those of the protocol and what `coverResponseHeaders` names. Default: none. */
  readonly exposed?: readonly string[]
  /** Default: GET, HEAD, POST, PUT, PATCH and DELETE. */
  readonly methods?: readonly string[]
  /** For how long a browser may remember what it asked, milliseconds. Default 10 minutes. */
  readonly maxAge?: number
}

const KNOWN: KnownOptions<CorsOptions> = {
  origins: true,
  headers: true,
  exposed: true,
  methods: true,
  maxAge: true,
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
const SENT = ['authorization', ACCEPT_HEADER, FURTHER_HEADER, ...COVERED_REQUEST_HEADERS] as const
const READ = [
  'authentication-info',
  'www-authenticate',
  'content-encoding',
  FURTHER_HEADER,
  ...COVERED_RESPONSE_HEADERS,
] as const

/** What is answered to a page, by whether its origin is named. */
export interface CorsPolicy {
  readonly origins: ReadonlySet<string>
  /** Of every response to a page of a named origin, beside the origin itself. */
  readonly exposed: string
  /** Of the answer to a browser that asks before it sends. */
  readonly asked: readonly Header[]
}

/**
 * @param covered the names that `requireCovered` and `coverResponseHeaders` give
 * @throws TypeError if an option does not exist or cannot be meant so
 */
export function createCorsPolicy(
  options: CorsOptions,
  covered: { readonly request: readonly string[]; readonly response: readonly string[] },
): CorsPolicy {
  requireKnownOptions<CorsOptions>('cors of requireTicket', options, KNOWN)
  const { methods = METHODS, maxAge = 10 * MINUTE } = options
  if (!Number.isSafeInteger(maxAge) || maxAge < 0)
    throw new TypeError('maxAge of cors is a number of milliseconds')
  if (covered.response.includes(SET_COOKIE)) {
    throw new TypeError(
      'coverResponseHeaders names set-cookie, which no page can read, so none could check a response',
    )
  }
  const sent = namesOf('headers', options.headers ?? [], SENT, covered.request)
  return {
    origins: originsOf(options.origins),
    exposed: namesOf('exposed', options.exposed ?? [], READ, covered.response),
    asked: [
      ['access-control-allow-methods', namesOf('methods', methods)],
      ['access-control-allow-headers', sent],
      ['access-control-max-age', String(Math.floor(maxAge / SECOND))],
    ],
  }
}

function originsOf(given: unknown): ReadonlySet<string> {
  if (!Array.isArray(given) || given.length === 0)
    throw new TypeError("origins of cors is a list: ['https://app.example']")
  for (const origin of given) {
    if (isWebOrigin(origin)) continue
    const advice =
      origin === '*'
        ? 'it would let the pages of everybody call; name each'
        : "write it as 'https://app.example', each in full"
    throw new TypeError(`origins of cors has ${shown(origin)}, which is no origin: ${advice}`)
  }
  return new Set(given)
}

/** The characters of a method and of a header's name. `*` is one, but would mean all. */
const TOKEN = /^(?!\*$)[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

function namesOf(option: string, given: unknown, ...others: readonly (readonly string[])[]): string {
  if (!Array.isArray(given)) throw new TypeError(`${option} of cors is a list of names`)
  for (const name of given) {
    if (typeof name !== 'string' || !TOKEN.test(name))
      throw new TypeError(`${option} of cors has ${shown(name)}, which is no name`)
  }
  return [...new Set([...others.flat(), ...given])].join(', ')
}

const FORBIDDEN = 403

/** Characters. */
const ORIGIN_LOGGED = 256

/** Caches must not give one page what another one was answered. */
const VARY: Header = ['vary', 'origin']

/**
 * The headers of every response, whatever becomes of the request: what a page of its origin needs to read it. A page of
 * an origin that is not named gets nothing, but a request of it is not refused for that.
 */
export function headersForPage({ origins, exposed }: CorsPolicy, origin: string | undefined): Header[] {
  if (origin === undefined || !origins.has(origin)) return [VARY]
  return [VARY, ['access-control-allow-origin', origin], ['access-control-expose-headers', exposed]]
}

/** What a browser asks before it sends, as far as it is that. */
export interface BrowserQuestion {
  readonly method: string
  readonly target: string
  readonly origin: string | undefined
  /** The header `access-control-request-method`. */
  readonly wanted: string | undefined
}

/** The answer to a browser, which has no body, beside what `headersForPage` gives. */
export interface BrowserAnswer {
  readonly status: number
  readonly headers: readonly Header[]
}

/** Answers a browser that asks whether it may send, since no ticket comes with that. `undefined` for any other request. */
export function answerToBrowser(
  { origins, asked }: CorsPolicy,
  report: Report,
  { method, target, origin, wanted }: BrowserQuestion,
): BrowserAnswer | undefined {
  if (method !== 'OPTIONS' || wanted === undefined || origin === undefined) return undefined
  if (origins.has(origin)) return { status: 204, headers: asked }
  report({
    kind: 'origin_refused',
    origin: origin.slice(0, ORIGIN_LOGGED),
    ...requestFields({ method, target }),
  })
  return { status: FORBIDDEN, headers: [['content-length', '0']] }
}

/** `vary` as it was, with what it varies by as well. @param before all values that it has */
export function variesBy(before: string, name: string): string {
  const isThere = before.split(/[\s,]+/).some(each => each === '*' || each.toLowerCase() === name)
  return isThere ? before : [before, name].filter(each => each !== '').join(', ')
}
