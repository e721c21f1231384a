import type { Refusal } from '../../shared/accept/refusal.js'
import type { ErrorCode } from '../../shared/errors.js'
import { OVERRIDE_HEADERS } from '../../shared/http/header-names.js'
import { localPart } from '../../shared/principal.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import type { RequestMessage } from './message.js'
import type { ServiceParts } from './service.js'

export interface Hint {
  readonly hint: string | undefined
  /** Whether the cause lies in how the service is run. */
  readonly ownerMustAct: boolean
}

/** The usual cause of a refusal, and what can be changed: for the service's log, never for the response. */
export function hintFor(refusal: Refusal, message: RequestMessage, service: ServiceParts): Hint {
  const own = setupHint(refusal, message, service) ?? rewriteHint(refusal)
  if (own !== undefined) return { hint: own, ownerMustAct: true }
  const hint =
    refusal.facts.hint ??
    wrongServiceHint(refusal, service) ??
    whyHint(refusal, message, service) ??
    CLIENT_HINT[refusal.code]
  return { hint, ownerMustAct: false }
}

const CLIENT_HINT: Partial<Record<ErrorCode, string>> = {
  binding_mismatch:
    'a proxy or framework on the way changed the method, the path, the query, a covered header or the body; have it pass them on unchanged',
  too_large: 'the client presents tickets with fewer or shorter claims and caveats',
}

function setupHint(refusal: Refusal, message: RequestMessage, service: ServiceParts): string | undefined {
  switch (refusal.code) {
    case 'malformed':
      return refusal.facts.hint ?? overrideHint(message)
    case 'ticket_invalid':
      return keyHint(refusal, service)
    case 'binding_mismatch':
    case 'caveat_failed':
      return targetHint(message)
    default:
      return undefined
  }
}

/** What a usual rewrite on the way explains, its client cannot mend. */
function rewriteHint({ code, facts }: Refusal): string | undefined {
  return code === 'binding_mismatch' && facts.expected !== undefined ? facts.hint : undefined
}

const ABSOLUTE =
  'the request line has a whole URL: what is in front of the service speaks to it as to a proxy; have it send path and query only'

function targetHint({ target }: RequestMessage): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? ABSOLUTE : undefined
}

function overrideHint({ headers }: RequestMessage): string | undefined {
  const overrides: readonly string[] = OVERRIDE_HEADERS
  const found = headers.find(([name]) => overrides.includes(name.toLowerCase()))
  if (found === undefined) return undefined
  return `frameworks take a request with ${found[0].toLowerCase()} for another one: if a proxy adds the header, have it stop`
}

/** The client was told a wrong address, or a wrong name. */
function wrongServiceHint({ code, facts }: Refusal, { principal }: ServiceParts): string | undefined {
  if (code !== 'ticket_invalid' || facts.service === undefined || facts.service === principal)
    return undefined
  return `the client takes ${principal} for ${facts.service}: correct the address that it calls, or the name in services of connect`
}

/** What policy puts into tickets, the KDC explains. */
function whyHint(
  { code, facts, proved }: Refusal,
  { method, target }: RequestMessage,
  { principal }: ServiceParts,
): string | undefined {
  if (proved === undefined || facts.caveat !== undefined) return undefined
  const why = `orthrus admin why ${localPart(proved.client)} ${localPart(principal)}`
  if (code === 'not_authorized') return `${why} says which claims its tickets have, and by which rule`
  if (code !== 'caveat_failed') return undefined
  const path = pathOf(target) ?? ''
  const request = TYPED.test(`${method}${path}`) ? ` --method ${method} --path ${path}` : ''
  return `${why}${request} says which rule restricts its tickets, and what to type to change it`
}

/** What a shell reads as it is. */
const TYPED = /^[A-Z]+\/[\w./-]*$/

/** A ticket under a newer key than any here means that the KDC has rotated it. */
function keyHint({ facts }: Refusal, { principal, keys }: ServiceParts): string | undefined {
  const newest = Math.max(...keys.kvnos)
  if (facts.service !== principal || facts.kvno === undefined || facts.kvno <= newest) return undefined
  return `${principal} may have a newer key than this process: replace its keytab with the newest one and restart`
}
