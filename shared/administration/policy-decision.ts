import { type Pattern, patternsOf } from '../pattern.js'
import { kdcService, type Principal, realmOf, ticketGrantingService } from '../principal.js'
import { encodeCaveat } from '../ticket/caveats.js'
import type { Claims } from '../ticket/claims.js'
import { type DecidingRule, isOver, NO_TERMS, type PolicyRule, type RuleRate } from './rule.js'

/** Which client may have a ticket for which service: a pure function of values (docs/protocol.md section 7, step 6). */

/** What policy needs to know about a service that exists. */
export interface ServiceFacts {
  /** Its current key comes from a password. */
  readonly passwordBased: boolean
  /** Whether it has a current key: an invited service has none before its first login. */
  readonly hasKey: boolean
  readonly disabled: boolean
  /** Milliseconds; null for never. */
  readonly expiresAt: number | null
}

export interface PolicyQuestion {
  readonly client: Principal
  readonly service: Principal
  /** The groups that the two are in, in the order of their names. */
  readonly groups: { readonly client: readonly Pattern[]; readonly service: readonly Pattern[] }
  /** `undefined` if there is no such service, or it was removed. */
  readonly facts: ServiceFacts | undefined
  /** Milliseconds, KDC time. */
  readonly now: number
}

/** What an allowed ticket contains. */
export interface Terms {
  readonly claims: Claims
  /** Milliseconds; null for the realm's maximum. */
  readonly maxLife: number | null
  readonly caveats: readonly Uint8Array[]
  readonly delegable: boolean
  /** When the rule ends, and with it every ticket that it grants, milliseconds; null for never. */
  readonly until: number | null
  /** How many such tickets one client gets; null for no limit of the rule's own. */
  readonly rate: RuleRate | null
}

/**
 * `rule` is the one that denied or allowed. Of an `unknown_service`, and of a service with a password, it is the rule
 * that allowed the pair. Null if no rule decided: none matches, `krbtgt` was named, or it is a bare ticket for `kdc`.
 */
export type Decision =
  | { readonly allowed: true; readonly rule: DecidingRule | null; readonly terms: Terms }
  | {
      readonly allowed: false
      readonly rule: DecidingRule | null
      readonly code: 'policy_denied' | 'unknown_service'
      readonly reason: string
    }

/**
 * Any matching rule that denies wins. Otherwise the most specific rule that allows decides; the client's pattern is
 * compared before the service's. A rule that has ended does not match. Without a rule, a client is allowed nothing but a bare ticket for `kdc@realm`. Only a
 * client that may have tickets for a service is told whether it exists; a service that is disabled, expired or has no
 * key counts as unknown.
 * @param rules may include rules that do not match; they are ignored
 * @returns which rule decided, too: of several that deny the most specific one
 */
export function decide(rules: readonly PolicyRule[], question: PolicyQuestion): Decision {
  const { client, service, facts, now } = question
  if (service === ticketGrantingService(realmOf(client)))
    return denied(null, 'a ticket for krbtgt comes from a login, not by name')
  const matching = matchingRules(rules, question)
  const denial = matching.find(rule => rule.effect === 'deny')
  if (denial !== undefined) return denied(denial, 'a rule denies it')
  const rule = matching[0] ?? null
  if (rule === null && service !== kdcService(realmOf(client))) return denied(null, 'no rule allows it')
  if (facts === undefined) return unknown(rule, 'there is no such service')
  if (facts.passwordBased) return denied(rule, "the service's key comes from a password")
  if (facts.disabled) return unknown(rule, 'the service is disabled')
  if (!facts.hasKey) return unknown(rule, 'the service has no key')
  if (facts.expiresAt !== null && now >= facts.expiresAt) return unknown(rule, 'the service has expired')
  return { allowed: true, rule, terms: termsOf(rule ?? BARE) }
}

type Grounds = Omit<PolicyRule, 'client' | 'service' | 'effect'>

/** What every client may have at `kdc@realm`. */
const BARE: Grounds = NO_TERMS

/** The rules that match the pair, the most specific first. */
export function matchingRules(
  rules: readonly PolicyRule[],
  { client, service, groups, now }: PolicyQuestion,
): PolicyRule[] {
  if (rules.length === 0) return []
  const clients = patternsOf(client, groups.client)
  const services = patternsOf(service, groups.service)
  const rank = (rule: PolicyRule): number =>
    clients.indexOf(rule.client) * services.length + services.indexOf(rule.service)
  return rules
    .filter(rule => clients.includes(rule.client) && services.includes(rule.service) && !isOver(rule, now))
    .sort((a, b) => rank(a) - rank(b))
}

/** The rules that match the pair, or did before they ended, the most specific first. */
export function everMatching(rules: readonly PolicyRule[], question: PolicyQuestion): PolicyRule[] {
  return matchingRules(rules, { ...question, now: BEFORE_ANY_END })
}

const BEFORE_ANY_END = -1

function termsOf({ claims, maxLife, methods, paths, delegable, until, rate }: Grounds): Terms {
  return { claims, maxLife, caveats: caveatsOf({ methods, paths }), delegable, until, rate }
}

/** The restrictions of a rule, as the caveats of each ticket that it allows. */
export function caveatsOf({ methods, paths }: Pick<PolicyRule, 'methods' | 'paths'>): Uint8Array[] {
  const caveats: Uint8Array[] = []
  if (methods !== null) caveats.push(encodeCaveat({ name: 'methods', methods }))
  if (paths !== null) caveats.push(encodeCaveat({ name: 'paths', prefixes: paths }))
  return caveats
}

function denied(rule: DecidingRule | null, reason: string): Decision {
  return { allowed: false, rule, code: 'policy_denied', reason }
}

function unknown(rule: DecidingRule | null, reason: string): Decision {
  return { allowed: false, rule, code: 'unknown_service', reason }
}
