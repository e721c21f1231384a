import { hintOfPlatform } from '#platform-fetch'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { shownFailure } from '../../shared/shown-failure.js'
import type { SentRequest } from './sent-request.js'

/** Errors for a request without a proved answer. None is final, because the request may have been handled. */

const MAY_BE_HANDLED = 'the request may have been handled'

/** The error for a failed `fetch` of the platform, which only says "fetch failed" and hides the reason in its cause. */
export function noAnswer(cause: unknown, request: SentRequest): OrthrusError {
  const { url, service } = request
  const hint = hintForFailure(cause, request)
  return new OrthrusError('unavailable', `no complete answer from ${url.origin}: ${reasonOf(cause)}`, {
    service,
    hint,
    cause,
  })
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'for an unknown reason'
  const within = cause.cause
  if (!(within instanceof Error)) return cause.message
  return `${cause.message}: ${within.message === '' && 'code' in within ? String(within.code) : shownFailure(within.message)}`
}

function hintForFailure(cause: unknown, request: SentRequest): string {
  const { url, service, isStreamed } = request
  const known = hintOfPlatform(cause, request)
  if (known !== undefined) return known
  // A browser gives no details, whatever happened.
  if (cause instanceof TypeError && cause.cause === undefined && isBrowser()) {
    return `${MAY_BE_HANDLED}; ${isStreamed ? STREAMED : ''}${hintForPage(url)}`
  }
  return `${MAY_BE_HANDLED}; check that ${service} runs there`
}

const STREAMED =
  'a browser streams a body only over HTTP/2, which a proxy in front of the service may speak: over HTTP/1.1 give it whole, as bytes; '

function hintForPage({ origin }: URL): string {
  return `across origins, does ${origin} allow this page, its method and the headers authorization, content-type, content-encoding and orthrus-credential, orthrus-accept and orthrus-covered, and expose authentication-info and www-authenticate (CORS)? The service does with requireTicket({ cors: { origins: ['https://app.example'] } }), this page's origin in the list`
}

function isBrowser(): boolean {
  return 'document' in globalThis || 'WorkerGlobalScope' in globalThis
}

/** The next step after a response without a proof, judged by its status and headers. */
export function hintForUnproved(response: Response, url: URL, service: Principal): string {
  const { status, type, headers } = response
  if (type === 'opaqueredirect')
    return 'a browser does not show redirects: request the final address directly'
  if (status >= 300 && status < 400 && headers.has('location')) {
    return `something in front of ${service} redirects${elsewhere(headers.get('location'), url)}: use the address where ${service} itself answers`
  }
  return HINTS[status]?.(service) ?? usualHint(service, url)
}

function elsewhere(location: string | null, url: URL): string {
  return location !== null && URL.canParse(location, url) ? ` to ${new URL(location, url).origin}` : ''
}

const gateway = (service: Principal): string =>
  `a gateway answered because it could not reach ${service}, or lost its answer: read the log of the gateway`

const HINTS: { readonly [status: number]: ((service: Principal) => string) | undefined } = {
  401: service => `does a proxy remove the Authorization header? Is this the address of ${service}?`,
  413: service =>
    `a gateway in front of ${service} refuses a body of this size: raise its limit, or send less at once`,
  429: service =>
    `a gateway in front of ${service} limits requests: send fewer at a time, or raise its limit`,
  431: service =>
    `a gateway in front of ${service} refuses headers of this size: raise its limit, or give fewer claims`,
  502: gateway,
  503: gateway,
  504: gateway,
  505: service => `something in front of ${service} does not accept HTTP/1.1`,
}

function usualHint(service: Principal, { origin }: URL): string {
  return `is this the address of ${service}, and does requireTicket protect this path? Does a proxy remove Authentication-Info? As long as ${service} is not protected yet, connect({ allowUnprotected: ['${origin}'] }) takes its answers as they are. Across origins a browser sees Authentication-Info only if the service exposes it`
}
