import { OrthrusError, type WireCode } from '../../shared/errors.js'
import { shownFailure } from '../../shared/shown-failure.js'
import { shownUrl } from '../../shared/shown-url.js'

export interface Cause {
  readonly pattern: RegExp
  readonly told: string
  readonly hint: string
}

const CHECK =
  'check that it runs there, as with: orthrus kdc, and that the URL is right, as ws://127.0.0.1:8750'

const OTHER_VERSION: Cause = {
  pattern: /subprotocol|does not speak/,
  told: 'a WebSocket server answers there, but no KDC of this version',
  hint: 'check the URL, and the version of the KDC',
}

/** A KDC refuses the subprotocol of another version by this status, whose text the platform does not show. */
const MAYBE_OTHER_VERSION: Cause = {
  pattern: /Unexpected server response: 400/,
  told: 'it refuses the handshake, as a KDC of another version does, or a server that is no KDC',
  hint: 'check the URL, and the version of the KDC: client and KDC need the same one',
}

/** What the platform reports for a failed connection, what it means, and the next step, to whatever it was. */
const NETWORK_CAUSES: readonly Cause[] = [
  {
    pattern: /ENOTFOUND|EAI_AGAIN/,
    told: 'its host name cannot be looked up',
    hint: "check the host name in the URL, and this machine's name server",
  },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/,
    told: 'there is no route to it',
    hint: 'check the address, and the firewalls on the way',
  },
  {
    pattern: /Unexpected server response: 3/,
    told: 'it redirects to another address',
    hint: 'write the URL that it redirects to',
  },
  {
    pattern: /CERT_HAS_EXPIRED|certificate has expired|CERT_NOT_YET_VALID|not yet valid/,
    told: 'its certificate is not valid at this time',
    hint: "renew it; or set this machine's clock, if that is wrong",
  },
  {
    pattern: /ALTNAME|altnames/,
    told: 'its certificate is for another name',
    hint: 'use the name in the certificate',
  },
  {
    pattern: /SELF.SIGNED|self.signed|UNABLE_TO_|unable to (?:verify|get)/,
    told: 'its certificate is not signed by an authority that this machine trusts',
    hint: 'start the process with NODE_EXTRA_CA_CERTS=ca.pem, the certificate of the authority that signed it',
  },
]

/** The first match is used. */
const CAUSES: readonly Cause[] = [
  ...NETWORK_CAUSES,
  { pattern: /ECONNREFUSED/, told: 'nothing listens there', hint: CHECK },
  {
    pattern: /Unexpected server response: 50[234]/,
    told: 'a proxy answers, but cannot reach the KDC behind it',
    hint: 'check that the KDC runs, and where the proxy looks for it',
  },
  {
    pattern: /Unexpected server response: 429/,
    told: 'a proxy in front of the KDC limits the number of connections',
    hint: 'wait a little, or let the proxy allow more',
  },
  {
    pattern: /Unexpected server response: 40[137]/,
    told: 'it does not let this client connect',
    hint: 'the KDC never asks for an HTTP login: check that the URL is not that of a service, and look for a proxy that asks',
  },
  MAYBE_OTHER_VERSION,
  {
    pattern: /Unexpected server response/,
    told: 'an HTTP server answers there, but no KDC',
    hint: 'check port and path; a proxy in front of the KDC must pass on WebSockets (the Upgrade header)',
  },
  OTHER_VERSION,
  {
    pattern: /WRONG_VERSION_NUMBER|wrong version number|EPROTO|packet length too long/,
    told: 'it does not speak TLS',
    hint: 'write ws:// for a KDC without TLS, or put a proxy that speaks TLS in front of it',
  },
  {
    pattern: /HPE_|Parse Error/,
    told: 'it does not speak HTTP',
    hint: 'a port that expects TLS answers like this: write wss://',
  },
  {
    pattern: /socket hang up/,
    told: 'it ended the connection without an answer',
    hint: 'a port that expects TLS does so: then write wss://; else check that the KDC runs there, as with: orthrus kdc',
  },
]

/** The cause of a failed connection that any server can have. @param reason as the platform reports it */
export function networkCause(reason: string): Cause | undefined {
  return NETWORK_CAUSES.find(({ pattern }) => pattern.test(reason))
}

/** The error for a KDC that cannot be reached, with the next step. @param reason as the platform reports it */
export function unreachable(url: string, reason: string): OrthrusError {
  const cause = CAUSES.find(({ pattern }) => pattern.test(reason))
  const shown = shownFailure(reason)
  const told = cause === undefined ? shown : `${cause.told}: ${shown}`
  return new OrthrusError('unavailable', `the KDC at ${shownUrl(url)} cannot be reached: ${told}`, {
    hint: cause?.hint ?? CHECK,
  })
}

/** Whether a KDC cannot be reached because it may be of another version. @param failure made by `unreachable` */
export function isOtherVersion({ reason }: OrthrusError): boolean {
  return [OTHER_VERSION, MAYBE_OTHER_VERSION].some(({ told }) => reason.includes(told))
}

/** The error for a KDC that shows no sign of life. @param milliseconds how long it was waited for */
export function silent(url: string, milliseconds: number): OrthrusError {
  return unreachable(url, `no answer within ${milliseconds} ms`)
}

/** The error for a KDC that is left because of what it says, or what somebody says in its name. */
export function said(code: WireCode): OrthrusError {
  return new OrthrusError('unavailable', `it answers ${code}`, { hint: "look at the KDC's log" })
}

/** One error for several KDCs. @param failures none if no KDC is known */
export function combine(failures: readonly OrthrusError[]): OrthrusError {
  const [first] = failures
  if (first === undefined || failures.length === 1) return first ?? unreachable('no URL', 'none is known')
  const reason = [...new Set(failures.map(failure => failure.reason))].join('; ')
  const { hint } = first.facts
  return new OrthrusError('unavailable', reason, hint === undefined ? {} : { hint })
}
