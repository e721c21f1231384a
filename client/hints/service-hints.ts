import type { WireError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import { localPart } from '../../shared/principal.js'
import { pathFault, pathOf } from '../../shared/ticket/caveat-path.js'
import { type RefusedTickets, restrictionHint } from './restriction-hints.js'

/** What to do about a refusal of a service. */

export interface RefusedRequest extends RefusedTickets {
  /** The target as on the request line, if there is one. */
  readonly target: string | undefined
  /** The end of the presented credential, if it has ended, milliseconds. */
  readonly ended: number | undefined
  /** The name of the caveat that failed, if the service told it. */
  readonly caveat: string | undefined
}

export function serviceHint({ code, time, floor }: WireError, request: RefusedRequest): string {
  const { client, service } = request
  if (code === 'clock_skew' && floor !== null && floor >= time)
    return `${service} has just started, and accepts only requests stamped after that; an earlier copy of this one may have been handled: if not, send it again`
  return ownHint(code, request) ?? hintFor(code, localPart(client), localPart(service))
}

/** The hint if the client itself knows the cause. */
function ownHint(code: WireCode, request: RefusedRequest): string | undefined {
  const { target, ended, caveat } = request
  if (ended !== undefined && (code === 'ticket_expired' || caveat === 'expires')) {
    return `the credential ended at ${new Date(ended).toISOString()}: ask whoever handed it on for another`
  }
  if (code !== 'caveat_failed') return undefined
  const fault = pathFault(pathOf(target) ?? '/')
  if (fault !== undefined) return `no paths caveat can hold for the path of this request: ${fault}`
  return restrictionHint(caveat, request)
}

const WRONG =
  'one of the two is wrong, so set that one; /health of the KDC says whether it knows that its own is'

function hintFor(code: WireCode, client: string, service: string): string {
  switch (code) {
    case 'clock_skew':
      return `the clock of ${service} and the KDC's disagree: one of the two is wrong; the next request is stamped by the clock of ${service}`
    case 'replay':
      return 'the service has seen this request before and may have handled it: find out before repeating it'
    case 'ticket_invalid':
      return `is ${service} the service at this address? If not, correct the address, or the name in services of connect; if it is, it may lack its newest key: give it its newest keytab`
    case 'ticket_expired':
      return `ask again; if it stays so, the clock of ${service} is ahead of the KDC's: ${WRONG}`
    case 'ticket_not_yet_valid':
      return `the clock of ${service} is behind the KDC's: ${WRONG}`
    case 'revoked':
      return `run: orthrus admin show ${client}`
    case 'delegation_invalid':
      return 'ask the client for a credential made for this holder'
    case 'not_authorized':
      return `${service} wants a claim that the ticket lacks; run: orthrus admin allow ${client} ${service} --claim NAME=VALUE`
    case 'binding_mismatch':
      return `something on the way changes requests: look for a proxy that rewrites paths, headers or bodies; or ${service} requires a header to be covered, which its log names: realm.fetch(url, { cover: ['idempotency-key'] })`
    case 'auth_failed':
      return `check that ${service} is the service at this address`
    case 'rate_limited':
      return 'send fewer requests at a time'
    case 'unavailable':
      return `the log of ${service} says why`
    case 'too_large':
      return `send less at once, or give requireTicket of ${service} a larger maxBody`
    default:
      return `the log of ${service} says why; client and service may be of different versions, or a gateway changes requests: HTTP/2, a header X-Original-URL and the like are refused`
  }
}
