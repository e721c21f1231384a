import type { AcceptedRequest } from '../../shared/accept/accept.js'
import { FLAG } from '../../shared/constants.js'
import type { KnownOptions } from '../../shared/options.js'
import { EVERYONE, isGroup, type Pattern, patternIn, patternsOf } from '../../shared/pattern.js'
import { type Principal, principalIn, realmOf } from '../../shared/principal.js'
import { quoted } from '../../shared/shown-text.js'
import type { ClaimValue } from '../../shared/ticket/claims.js'

/** What a handler's owner requires in addition to a good request (docs/protocol.md section 8, step 10). */
export interface RequirementOptions {
  /**
   * Claims that the ticket must have and its caveats must not withhold, with these values. If the ticket has a list,
   * the value, or every value of a list, must be in it. Default: none.
   */
  readonly claims?: Readonly<Record<string, ClaimValue>>
  /**
   * The clients that are let in, beside the policy of the KDC: principals, and instances of a name as `web/*`. A short
   * name means the service's realm. Default: all that have a ticket.
   */
  readonly clients?: readonly string[]
  /** Only clients whose key comes from a password: people, not machines. Default false. */
  readonly requirePassword?: boolean
  /** No ticket, a delegate's own included, of a principal whose key comes from a password. Default false. */
  readonly refusePassword?: boolean
  /**
   * Which principals may present a client's ticket as its delegate: every holder that the client or its chain named
   * ('allow', the default), none ('refuse'), or these. A short name means the service's realm.
   */
  readonly delegates?: 'allow' | 'refuse' | readonly string[]
}

export const REQUIREMENT_OPTIONS: KnownOptions<RequirementOptions> = {
  claims: true,
  clients: true,
  requirePassword: true,
  refusePassword: true,
  delegates: true,
}

/** Why the handler must not get the request, or `undefined` if it may. */
export type Requirement = (accepted: AcceptedRequest) => string | undefined

/** @throws TypeError if an option cannot be meant so */
export function createRequirement(options: RequirementOptions, service: Principal): Requirement {
  const { requirePassword = false, refusePassword = false } = options
  if (requirePassword && refusePassword) {
    throw new TypeError('requirePassword and refusePassword together refuse every client')
  }
  const requirements = [claimsRequirement(options.claims), delegateRequirement(options.delegates, service)]
  if (options.clients !== undefined) requirements.push(clientRequirement(options.clients, service))
  if (requirePassword) requirements.push(passwordRequired)
  if (refusePassword) requirements.push(passwordRefused)
  return accepted => {
    for (const requirement of requirements) {
      const fault = requirement(accepted)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

function claimsRequirement(claims: RequirementOptions['claims'] = {}): Requirement {
  const prototype: unknown = Object.getPrototypeOf(claims)
  // `{ __proto__: ... }` sets a prototype and names no claim. Ignoring that would let everybody in.
  if (prototype !== null && prototype !== Object.prototype) {
    throw new TypeError("claims is a plain object; write ['__proto__'] for a claim of that name")
  }
  const wanted = Object.entries(claims)
  for (const [name, value] of wanted) requireClaimValue(name, value)
  return accepted => {
    for (const [name, value] of wanted) {
      const has = accepted.claims.find(claim => claim[0] === name)?.[1]
      if (has === undefined || !satisfies(has, value)) return `the claim ${JSON.stringify(name)} is missing`
    }
    return undefined
  }
}

function requireClaimValue(name: string, value: unknown): void {
  const isList = Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'string')
  if (isList || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return
  throw new TypeError(`the claim ${quoted(name)} must be a text, a number, a boolean or a list of texts`)
}

function satisfies(has: ClaimValue, wanted: ClaimValue): boolean {
  if (typeof wanted === 'object') return typeof has === 'object' && wanted.every(item => has.includes(item))
  return typeof has === 'object' ? typeof wanted === 'string' && has.includes(wanted) : has === wanted
}

function clientRequirement(clients: unknown, service: Principal): Requirement {
  if (!Array.isArray(clients) || clients.length === 0) {
    throw new TypeError("clients is a list of names: ['web', 'batch/*']")
  }
  const allowed = new Set<Pattern>(clients.map(name => clientPattern(name, service)))
  return ({ client }) =>
    patternsOf(client).some(pattern => allowed.has(pattern)) ? undefined : `${client} is not let in here`
}

/** The service knows neither groups nor who is in them. */
function clientPattern(name: unknown, service: Principal): Pattern {
  if (typeof name === 'string' && name !== EVERYONE && !isGroup(name))
    return patternIn(realmOf(service), name)
  throw new TypeError(`clients names principals, as web or web/*, not ${quoted(String(name))}`)
}

function delegateRequirement(
  delegates: RequirementOptions['delegates'] = 'allow',
  service: Principal,
): Requirement {
  if (delegates === 'allow') return () => undefined
  if (delegates !== 'refuse' && !Array.isArray(delegates)) {
    throw new TypeError("delegates is 'allow', 'refuse' or a list of names")
  }
  const names = delegates === 'refuse' ? [] : delegates.map(name => principalIn(realmOf(service), name))
  const allowed = new Set<Principal>(names)
  return ({ via }) =>
    via === undefined || allowed.has(via) ? undefined : `${via} may not be a delegate here`
}

function passwordRequired({ ticket, client }: AcceptedRequest): string | undefined {
  return (ticket.flags & FLAG.PASSWORD) === 0
    ? `the key of ${client} does not come from a password`
    : undefined
}

function passwordRefused({ tickets }: AcceptedRequest): string | undefined {
  const ticket = tickets.find(({ flags }) => (flags & FLAG.PASSWORD) !== 0)
  return ticket && `the key of ${ticket.client} comes from a password`
}
