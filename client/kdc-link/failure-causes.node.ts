import { CHECK, MAYBE_OTHER_VERSION } from './kdc-hints.js'
import type { FailureCause, FailureCauses } from './socket.js'

/** What Node says of failed connections. */

const NETWORK_CAUSES: readonly FailureCause[] = [
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

const CAUSES: readonly FailureCause[] = [
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
  { pattern: /Unexpected server response: 400/, ...MAYBE_OTHER_VERSION },
  {
    pattern: /Unexpected server response/,
    told: 'an HTTP server answers there, but no KDC',
    hint: 'check port and path; a proxy in front of the KDC must pass on WebSockets (the Upgrade header)',
  },
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

export const FAILURE_CAUSES: FailureCauses = { any: NETWORK_CAUSES, kdc: CAUSES }
