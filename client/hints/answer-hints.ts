import type { Principal } from '../../shared/principal.js'

/** What to do about a request that no answer came to, or an answer that nothing proves. */

/** @param delegator whose ticket travels beside that of its delegate */
export function largeTicketsHint(delegator: Principal | undefined): string {
  return delegator === undefined
    ? 'give the client fewer claims for the service, or cut the ticket down with fewer caveats'
    : `give ${delegator} and its delegate fewer claims for the service, or cut the ticket down with fewer caveats: both tickets travel with the request`
}

/** A browser says nothing of a request that failed. @param isStreamed whether its body was sent as a stream */
export function pageHint({ origin }: URL, isStreamed: boolean): string {
  const streamed = isStreamed
    ? 'a browser streams a body only over HTTP/2, which a proxy in front of the service may speak: over HTTP/1.1 give it whole, as bytes; '
    : ''
  // The origin of a page without one, as in a sandboxed frame, is `null`, and no service can name it.
  const page = globalThis.location?.origin ?? 'https://app.example'
  return `${streamed}does ${origin} answer at all and, across origins, allow this page, its method and the headers authorization, content-type, content-encoding and orthrus-credential, orthrus-accept and orthrus-covered, and expose authentication-info and www-authenticate (CORS)? The service does with requireTicket({ cors: { origins: ['${page}'] } })`
}

/** The next step after a response without a proof, judged by its status and headers. */
export function unprovedHint(response: Response, url: URL, service: Principal): string {
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

/** For a proof that is of another response. */
export const CHANGED_HINT =
  'something on the way changes responses: look for a proxy that rewrites bodies, redirects, content types or covered headers'

export const ENCODED_HINT = 'turn off compression in the service and in proxies'
