import { WINDOW } from '../../shared/constants.js'
import type { WireError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import type { Denial } from '../../shared/exchange/reply.js'
import { localPart, type Principal } from '../../shared/principal.js'
import { formatTime, SECOND } from '../../shared/time.js'

/** What to do about a refusal of the KDC. */

export interface RefusedLogin {
  readonly client: Principal
  readonly passwordBased: boolean
  /** The time of this machine's clock, milliseconds. */
  readonly own?: number | undefined
  /** For how long the KDC wants to be left alone, milliseconds. */
  readonly retryAfter: number | undefined
  /** The name of the caveat that failed. */
  readonly caveat: string | undefined
}

export function kdcHint({ code, time }: WireError, refused: RefusedLogin): string | undefined {
  const { client, passwordBased, own, retryAfter, caveat } = refused
  const name = localPart(client)
  switch (code) {
    case 'auth_failed':
      if (passwordBased) return 'check the name and the password'
      // Only an administrator can look, and this one is refused.
      return name === 'admin'
        ? 'its key may have been replaced, or the keytab be that of another realm: use its newest keytab, or that of another administrator'
        : `it may have been removed, or its key replaced; run: orthrus admin show ${name}, and use its newest keytab`
    case 'clock_skew':
      return skewHint(time, own)
    case 'principal_disabled':
      return `run: orthrus admin enable ${name}`
    case 'rate_limited':
      return retryAfter === undefined
        ? 'wait a little before the next attempt'
        : `try again in ${retryAfter / SECOND} s`
    case 'unavailable':
      return "try again; the KDC's log says why"
    case 'caveat_failed':
      return caveat === 'expires'
        ? 'the credential has ended: ask whoever handed it on for another'
        : 'ask whoever made the credential for another'
    case 'unsupported_version':
      return 'client and KDC are of different versions; use the same one'
    default:
      return undefined
  }
}

/** Two clocks disagree, and the client cannot know which one is wrong. */
function skewHint(told: number, own: number | undefined): string {
  const look = 'its log, and /health at its address, say whether it knows that its own clock is wrong'
  if (own === undefined) return `this machine's clock or the KDC's is wrong; ${look}`
  const read = `this machine's clock reads ${formatTime(own)}, the KDC's ${formatTime(told)}`
  if (Math.abs(told - own) <= WINDOW.KDC_SKEW) {
    return `${read}: they agree now; ask again, and if it stays so, look whether requests take minutes on their way`
  }
  return `${read}: one of the two is wrong, so set that one; ${look}`
}

export interface DeniedTicket extends Denial {
  /** The id by which the KDC's log names the denial. */
  readonly refusal?: string
}

export function denialHint(client: Principal, { code, service, refusal }: DeniedTicket): string | undefined {
  const next = nextAfterDenial(code, localPart(client), localPart(service))
  return refusal === undefined || next === undefined
    ? next
    : `${next}; why: orthrus admin why --id ${refusal}`
}

function nextAfterDenial(code: WireCode, client: string, service: string): string | undefined {
  switch (code) {
    case 'policy_denied':
      if (service === 'krbtgt') return 'no rule allows it: a TGT comes with each login, not by name'
      return `orthrus admin policy ${client} ${service} shows whether a rule denies it; if none does, run: orthrus admin allow ${client} ${service}; if there is no such service (the KDC does not say), check its name`
    case 'unknown_service':
      return `orthrus admin show ${service} says whether there is one, and whether it has a key; to make one, run: orthrus admin add ${service}`
    case 'caveat_failed':
      return `the credential of ${client} was cut down to other services: ask whoever made it for one that names ${service}`
    case 'too_large':
      return 'its claims and caveats are too many: give it fewer, or ask for fewer services at once'
    default:
      return undefined
  }
}

/** @param client whose salt or parameters are others than at its first login */
export function changedParametersHint(client: Principal): string {
  return `if the password of ${localPart(client)} was changed, delete its entry from your parametersCache, if you gave one, and connect again; if not, somebody may be answering in the KDC's place`
}
