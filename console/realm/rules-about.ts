import type { PolicyRule } from '../../shared/administration/rule.js'
import { type Pattern, patternsOf } from '../../shared/pattern.js'
import { kdcService, type Principal, type RealmName } from '../../shared/principal.js'
import { accessOf } from './access.js'

/** The rules of policy in which a principal stands. */
export interface RulesAbout {
  /** What it may reach, or may not: those whose client it is. */
  readonly asClient: readonly PolicyRule[]
  /** Who may reach it: those whose service it is. */
  readonly asService: readonly PolicyRule[]
  /** Those among them that name it alone, and no pattern. */
  readonly byName: number
}

/** @param groups those that it is in */
export function rulesAbout(
  principal: Principal,
  groups: readonly Pattern[],
  rules: readonly PolicyRule[],
): RulesAbout {
  const patterns = patternsOf(principal, groups)
  const asClient = ordered(patterns, rules, rule => rule.client)
  const asService = ordered(patterns, rules, rule => rule.service)
  const own = principal as string
  const named = rules.filter(({ client, service }) => client === own || service === own)
  return { asClient, asService, byName: named.length }
}

/** Those that match, the most specific first. */
function ordered(
  patterns: readonly Pattern[],
  rules: readonly PolicyRule[],
  side: (rule: PolicyRule) => Pattern,
): PolicyRule[] {
  return rules
    .filter(rule => patterns.includes(side(rule)))
    .sort((one, other) => patterns.indexOf(side(one)) - patterns.indexOf(side(other)))
}

/** Who owns a principal: the clients of rules for `kdc` whose claims say so. */
export function ownersOf(
  realm: RealmName,
  principal: Principal,
  groups: readonly Pattern[],
  rules: readonly PolicyRule[],
): Pattern[] {
  const patterns = patternsOf(principal, groups)
  const kdc: string = kdcService(realm)
  const owning = rules.filter(
    ({ service, effect, claims }) =>
      service === kdc &&
      effect === 'allow' &&
      accessOf(realm, claims).owns.some(owned => patterns.includes(owned)),
  )
  return owning.map(({ client }) => client)
}
