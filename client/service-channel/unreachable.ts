import { isWireCode, OrthrusError, type WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { isWithoutTls, shownFailure } from '../../shared/shown-failure.js'
import { shownUrl } from '../../shared/shown-url.js'
import { networkCause } from '../kdc-link/link-failure.js'

interface Cause {
  readonly pattern: RegExp
  readonly told: string
  readonly hint: (service: Principal) => string
}

const accepts = (service: Principal): string =>
  `check the address; ${service} accepts channels where it calls acceptChannels({ service, server, path }), and at no other path`

/** What the platform reports for a failed WebSocket to a service, what it means, and the next step. */
const CAUSES: readonly Cause[] = [
  {
    pattern: /ECONNREFUSED/,
    told: 'nothing listens there',
    hint: service => `start ${service}, or check host and port`,
  },
  {
    pattern: /Unexpected server response: 404/,
    told: 'no channels are accepted at this path',
    hint: accepts,
  },
  {
    pattern: /Unexpected server response: (?:2|401)/,
    told: 'HTTP requests are answered there, and no channels are accepted',
    hint: accepts,
  },
  {
    pattern: /Unexpected server response: 403/,
    told: 'it does not let this page connect',
    hint: service => `let ${service} name the origin of this page: acceptChannels({ allowedOrigins })`,
  },
  {
    pattern: /Unexpected server response: 400|subprotocol|does not speak/,
    told: 'it accepts no channels of this version',
    hint: service => `check the address, and that client and ${service} are of the same version`,
  },
  {
    pattern: /Unexpected server response: 503/,
    told: 'it is closing, or a proxy in front of it cannot reach it',
    hint: service => `check that ${service} runs`,
  },
  {
    pattern: /Unexpected server response: 50[24]/,
    told: 'a proxy answers, but cannot reach the service behind it',
    hint: service => `check that ${service} runs, and where the proxy looks for it`,
  },
  {
    pattern: /Unexpected server response/,
    told: 'an HTTP server answers there, but accepts no channels',
    hint: service =>
      `${accepts(service)}; a proxy in front of it must pass on WebSockets (the Upgrade header)`,
  },
  {
    pattern: /HPE_|Parse Error|socket hang up/,
    told: 'it does not speak HTTP',
    hint: service =>
      `a port that expects TLS ends a connection like this: then write wss://; else ${accepts(service)}`,
  },
]

/** The error for a service that no channel reaches, with the next step. @param reason as the platform reports it */
export function unreachableService(url: string, service: Principal, reason: string): OrthrusError {
  const network = networkCause(reason)
  const cause = network ? undefined : CAUSES.find(({ pattern }) => pattern.test(reason))
  const shown = shownFailure(reason)
  const told = network?.told ?? cause?.told
  const hint = network?.hint ?? cause?.hint(service) ?? tlsHint(reason) ?? accepts(service)
  const claimed = claimedIn(reason)
  return new OrthrusError(
    'unavailable',
    `${service} at ${shownUrl(url)} cannot be reached: ${told === undefined ? shown : `${told}: ${shown}`}`,
    { service, hint, ...(claimed === undefined ? {} : { claimed }) },
  )
}

function tlsHint(reason: string): string | undefined {
  return isWithoutTls(reason)
    ? 'what answers there does not speak TLS: write ws://, or put a proxy that speaks TLS in front of it'
    : undefined
}

/** The code that a service gives, without a proof, as the reason of closing a WebSocket. */
function claimedIn(reason: string): WireCode | undefined {
  const code = /code 1008, "([a-z_]{1,40})"/.exec(reason)?.[1]
  return code !== undefined && isWireCode(code) ? code : undefined
}
