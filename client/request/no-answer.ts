import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { isWithoutTls, shownFailure } from '../../shared/shown-failure.js'

/** Errors for a request without a proved answer. None is final, because the request may have been handled. */

const MAY_BE_HANDLED = 'the request may have been handled'
const NOTHING_SENT = 'nothing was sent on this attempt'

/** A request that was sent, or was to be. */
export interface SentRequest {
  readonly url: URL
  readonly service: Principal
  /** Whether its body is sent as it is sealed. */
  readonly isStreamed: boolean
}

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
  return `${cause.message}: ${within.message === '' ? String(codeOf(within)) : shownFailure(within.message)}`
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

function hintForFailure(cause: unknown, { url, service, isStreamed }: SentRequest): string {
  const { protocol } = url
  const within = cause instanceof Error ? cause.cause : undefined
  const code = codeOf(within)
  switch (code) {
    case 'ECONNREFUSED':
      return `${NOTHING_SENT}; nothing listens there: start ${service}, or check host and port`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${NOTHING_SENT}; the host name cannot be resolved: check the address, or the resolver of this machine`
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `${NOTHING_SENT}; the host does not answer: check the address, and firewalls on the way`
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'HPE_HEADER_OVERFLOW':
      return `${MAY_BE_HANDLED}; the headers of the answer are larger than this platform accepts`
  }
  if (isMalformed(within)) {
    return `${MAY_BE_HANDLED}; the server does not speak HTTP/1.1 there: perhaps it expects HTTP/2, or TLS although the address begins with http:`
  }
  if (typeof code === 'string' && /CERT|_SSL_|^EPROTO$/.test(code)) {
    return `${NOTHING_SENT}; ${hintForTls(within, url)}`
  }
  if (protocol === 'http:' && (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET')) {
    return `${MAY_BE_HANDLED}; check that ${service} runs there; a port that expects TLS ends a connection like this: then write ${withScheme(url, 'https:')}`
  }
  // A browser gives no other details, whatever happened.
  if (within === undefined && cause instanceof TypeError && isBrowser()) {
    return `${MAY_BE_HANDLED}; ${isStreamed ? STREAMED : ''}${hintForPage(url)}`
  }
  return `${MAY_BE_HANDLED}; check that ${service} runs there`
}

/** The undici of the platform gives a code; a newer one, which a program may put beneath its `fetch`, none. */
function isMalformed(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'HTTPParserError' || /^HPE_/.test(String(codeOf(cause))))
}

const STREAMED =
  'a browser streams a sealed body only over HTTP/2, which a proxy in front of the service may speak: over HTTP/1.1 send it without sealed; '

function hintForPage({ origin }: URL): string {
  return `across origins, does ${origin} allow this page, its method and the headers authorization, content-type, content-encoding and orthrus-credential, orthrus-accept and orthrus-covered, and expose authentication-info and www-authenticate (CORS)? The service does with requireTicket({ cors: { origins: ['https://app.example'] } }), this page's origin in the list`
}

function hintForTls(cause: unknown, url: URL): string {
  if (cause instanceof Error && isWithoutTls(cause.message)) {
    return `what answers there does not speak TLS: write ${withScheme(url, 'http:')}, or put a proxy that speaks TLS in front of it`
  }
  return 'TLS failed: check the certificate, and that this machine trusts its authority (NODE_EXTRA_CA_CERTS)'
}

function withScheme({ host }: URL, protocol: string): string {
  return `${protocol}//${host}`
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
