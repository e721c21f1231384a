import { hintFrom } from '#hints'
import { CACHE_MODE, sealedInit } from '#platform-fetch'
import { toBase64url } from '../../shared/bytes.js'
import { LIMIT, TYPE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { furtherNames } from '../../shared/http/further-headers.js'
import { CREDENTIAL_HEADER, FURTHER_HEADER } from '../../shared/http/header-names.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { SAFE_METHODS } from '../../shared/http/safe-methods.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { sealHandOff } from '../../shared/ticket/credential.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { startSpan } from '../kdc-link/kdc-clock.js'
import { credentialOf, type Ticket } from '../ticket/ticket.js'
import { bindingOf, type HttpRequest, redirected, targetOf, withHeaders } from './http-request.js'
import { openResponse, type ProvedResponse, type RealmResponse } from './http-response.js'
import { noAnswer } from './no-answer.js'
import type { Presenter } from './presenter.js'
import type { Bound, ErrorAnswer, Presented, RequestSecrets } from './presenting.js'
import { REDIRECTS } from './redirects.js'
import type { SealedUpload } from './sealed-upload.js'
import type { UnprotectedOrigins } from './unprotected.js'

/** The largest number of redirects that one request follows. */
const REDIRECTS_MAX = 10

const REDIRECTED_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** What an HTTP exchange takes besides the presenter. */
export interface HttpExchanges {
  readonly fetch: typeof globalThis.fetch
  readonly clock: Clock
  readonly timers: Timers
  readonly random: RandomSource
  readonly logger: Logger
  /** The largest response body that is collected, bytes. */
  readonly maxResponse: number
  /** Where answers without a proof are taken. Default: nowhere. */
  readonly unprotected?: UnprotectedOrigins | undefined
}

export interface FetchOptions {
  readonly service: Principal
  /** Used instead of the ticket from the cache. */
  readonly ticket: Ticket | undefined
  /** Sealed to the service and sent with the request. */
  readonly handOff: Ticket | undefined
  readonly repeatable: boolean
  readonly signal: AbortSignal
  /** Keeps the signal in force, behind the answer, until the function that it returns is called. */
  readonly prolong: () => () => void
}

/**
 * Carries out the HTTP exchange with a service, and follows redirects of GET and HEAD within its origin. Any other
 * redirect is returned to the caller, proved like every response (docs/protocol.md section 8, "HTTP binding").
 * @throws OrthrusError as `Presenter.present` does; `response_unproved` `too_large` `unavailable`
 */
export async function fetchProved(
  presenter: Presenter,
  exchanges: HttpExchanges,
  request: HttpRequest,
  options: FetchOptions,
): Promise<RealmResponse> {
  let current = request
  for (let redirects = 0; ; redirects++) {
    const response = await fetchOnce(presenter, exchanges, current, options)
    const next = redirects < REDIRECTS_MAX ? nextUrl(current, response) : undefined
    if (next === undefined) return response
    if (response.body !== null) await response.body.cancel()
    current = redirected(current, next)
  }
}

function nextUrl({ method, url, redirect }: HttpRequest, { status, headers }: Response): URL | undefined {
  const location = headers.get('location')
  if (location === null || !REDIRECTS.has(status)) return undefined
  if (redirect === 'error')
    throw new TypeError('the service answered with a redirect, and the option redirect is "error"')
  if (redirect === 'manual' || !REDIRECTED_METHODS.has(method) || !URL.canParse(location, url))
    return undefined
  const next = new URL(location, url)
  return next.origin === url.origin ? next : undefined
}

async function fetchOnce(
  presenter: Presenter,
  exchanges: HttpExchanges,
  request: HttpRequest,
  options: FetchOptions,
): Promise<RealmResponse> {
  const { service, ticket, handOff, repeatable, signal } = options
  const { response } = await presenter.present<ProvedResponse>({
    service,
    ticket,
    type: TYPE.AP_REQ,
    method: request.method,
    origin: request.url.origin,
    target: targetOf(request),
    answered: answer => answer.response,
    bind: secrets => bind(exchanges, request, handOff, secrets),
    safe: repeatable || SAFE_METHODS.has(request.method),
    resendable: request.stream === undefined,
    lasting: request.sealed,
    signal,
    send: presented => send(exchanges, request, presented, options),
  })
  return response
}

function bind(
  { random }: HttpExchanges,
  request: HttpRequest,
  handOff: Ticket | undefined,
  { key, nonce }: RequestSecrets,
): Bound {
  if (handOff === undefined) return { binding: bindingOf(request), headers: [] }
  const sealed = sealHandOff(key, nonce, credentialOf(handOff, false), random)
  const headers = [[CREDENTIAL_HEADER, toBase64url(sealed)]] as const
  return { binding: bindingOf(withHeaders(request, headers)), headers }
}

async function send(
  exchanges: HttpExchanges,
  request: HttpRequest,
  presented: Presented,
  options: FetchOptions,
): Promise<ProvedResponse | ErrorAnswer> {
  const { fetch, clock, logger, maxResponse, unprotected } = exchanges
  const { method, url, passing } = request
  const { signal } = options
  const authorization = formatMessageHeader(presented.request.bytes)
  if (!fits(authorization)) throw await tooLarge(presented)
  const headers = headersWith(request, presented, authorization)
  const upload = await uploadOf(exchanges, request, presented)
  const endSpan = startSpan(clock)
  try {
    const settings: RequestInit = {
      ...passing,
      redirect: 'manual',
      ...(await bodyInit(request, upload)),
      cache: CACHE_MODE,
    }
    const response = await fetch(url, { ...settings, method, headers, signal })
    const span = endSpan()
    const sealed = request.sealed ? { ...exchanges, ...options } : undefined
    const answer = await openResponse(response, {
      presented,
      method,
      url,
      span,
      maxBytes: maxResponse,
      sealed,
      unprotected,
    })
    if ('error' in answer) void upload?.cancel()
    return answer
  } catch (cause) {
    void upload?.cancel(cause)
    if (signal.aborted) throw signal.reason
    if (upload?.failure !== undefined) throw upload.failure.cause
    if (cause instanceof OrthrusError) {
      const { service } = presented
      if (cause.code === 'too_large') logger.warn({ service, maxResponse }, 'a response is over maxResponse')
      throw cause
    }
    throw await noAnswer(cause, { url, service: presented.service, isStreamed: request.isStreamed })
  }
}

async function uploadOf(
  { random }: HttpExchanges,
  { stream }: HttpRequest,
  { key, request }: Presented,
): Promise<SealedUpload | undefined> {
  if (stream === undefined) return undefined
  const { SealedUpload, StreamSealer } = await import('./sealed-bodies.js')
  const basis = { key, direction: 'client-to-service', messages: [request.bytes] } as const
  return new SealedUpload(stream, new StreamSealer(basis, random))
}

async function bodyInit(
  { body, isStreamed }: HttpRequest,
  upload: SealedUpload | undefined,
): Promise<RequestInit & { duplex?: 'half' }> {
  if (upload !== undefined) return await sealedInit(upload.stream, isStreamed)
  return body.length === 0 ? {} : { body }
}

function headersWith(
  { headers }: HttpRequest,
  presented: Presented,
  authorization: string,
): [string, string][] {
  const own = headers.filter(([name]) => name.toLowerCase() !== 'accept-encoding')
  return [
    ...[...own, ...presented.headers].map(([name, value]): [string, string] => [name, value]),
    ['accept-encoding', 'identity'],
    ['authorization', authorization],
    ...traceHeaders(own, presented),
  ]
}

/** Those of the caller stay as they are, and so does the lack of one that is covered. */
function traceHeaders(own: HttpRequest['headers'], { trace = [] }: Presented): [string, string][] {
  if (trace.length === 0) return []
  const further = own.find(([name]) => name.toLowerCase() === FURTHER_HEADER)?.[1]
  const taken = new Set([...own.map(([name]) => name.toLowerCase()), ...furtherNames(further ?? null)])
  return trace.filter(([name]) => !taken.has(name.toLowerCase())).map(([name, value]) => [name, value])
}

/** A service refuses a header that is larger. */
function fits(authorization: string): boolean {
  return authorization.length - formatMessageHeader(new Uint8Array()).length <= LIMIT.AUTHORIZATION_BYTES
}

async function tooLarge({ request, service }: Presented): Promise<OrthrusError> {
  return new OrthrusError(
    'too_large',
    'the tickets of the request do not fit in a header of 8 KiB; it was not sent',
    {
      final: true,
      service,
      hint: await hintFrom(hints => hints.largeTicketsHint(request.delegated?.client)),
    },
  )
}
