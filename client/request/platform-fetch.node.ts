import { isWithoutTls } from '../../shared/shown-failure.js'
import type { SentRequest } from './sent-request.js'

/**
 * Node's `fetch` has no cache, so nothing is read from one. This is the only mode in which `fetch` does not add
 * `cache-control: no-cache` to a request, a header that makes services answer 200 where they would answer 304.
 */
export const CACHE_MODE: RequestCache = 'force-cache'

/**
 * A sealed body as `fetch` takes it, which it reads as it sends it. Node keeps a copy of all of it for a redirect, which nobody
 * follows, unless there is no window to ask and redirects are errors.
 */
export function sealedInit(
  sealed: ReadableStream<Uint8Array>,
  _isStreamed: boolean,
): RequestInit & { duplex?: 'half' } {
  return { body: sealed, duplex: 'half', window: null, redirect: 'error' }
}

const MAY_BE_HANDLED = 'the request may have been handled'
const NOTHING_SENT = 'nothing was sent on this attempt'

export function hintOfPlatform(cause: unknown, { url, service }: SentRequest): string | undefined {
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
  return undefined
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

/** The undici of the platform gives a code; a newer one, which a program may put beneath its `fetch`, none. */
function isMalformed(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'HTTPParserError' || /^HPE_/.test(String(codeOf(cause))))
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
