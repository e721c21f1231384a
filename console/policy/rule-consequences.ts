import { writeDuration } from '../../shared/administration/policy-text.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import { isOver, type PolicyRule } from '../../shared/administration/rule.js'
import { changeText } from '../../shared/administration/rule-text.js'
import { denialText, nobodyText } from '../../shared/administration/rule-warnings.js'
import { EVERYONE, type Pattern } from '../../shared/pattern.js'
import { isPrincipal, isReserved, type Principal, type RealmName } from '../../shared/principal.js'
import { membersOf } from '../realm/directory.js'
import { counted } from '../realm/words.js'

/** What a change of a rule does to whom, in sentences. Pure functions of values. */

export interface PolicyFacts {
  readonly realm: RealmName
  readonly rules: readonly PolicyRule[]
  /** All of the realm; undefined for who may not list them. */
  readonly principals: readonly PrincipalSummary[] | undefined
  /** KDC time, milliseconds. */
  readonly now: number
  /** How long a ticket for a service lives at most, milliseconds; undefined for who is not told. */
  readonly maxServiceLife: number | undefined
}

/** What a rule that is made or changed does. @param before null for none */
export function changing(
  facts: PolicyFacts,
  before: PolicyRule | null,
  after: PolicyRule,
): readonly string[] {
  return [`${capital(changeText(before, after))}.`, ...about(facts, after), ...inHand(facts, before, after)]
}

/** What else whoever changes it should know. */
export function warningsOf(facts: PolicyFacts, rule: PolicyRule): readonly string[] {
  const { realm, rules, principals, now } = facts
  const nobody =
    principals === undefined
      ? []
      : [...new Set([rule.client, rule.service])].filter(
          pattern => pattern !== EVERYONE && !isOfKdc(pattern) && membersOf(pattern, principals).length === 0,
        )
  const denials =
    rule.effect === 'deny'
      ? []
      : rules.filter(each => each.effect === 'deny' && !isOver(each, now) && covers(facts, each, rule))
  return [...nobody.map(nobodyText), ...denials.map(denial => denialText(realm, denial))]
}

/** What is left when a rule is taken away. */
export function forgetting(facts: PolicyFacts, rule: PolicyRule): readonly string[] {
  const rest = facts.rules.filter(
    each => each !== rule && !isOver(each, facts.now) && covers(facts, each, rule),
  )
  const effect = rule.effect === 'deny' ? 'denied' : 'allowed'
  const denied = rest.filter(each => each.effect === 'deny').length
  const left =
    rest.length === 0
      ? rule.effect === 'deny'
        ? 'No other rule is about all of the pair.'
        : 'No other rule is about all of the pair: whoever got tickets by it alone gets none any more.'
      : denied > 0
        ? `${counted(denied, 'other rule')} still deny it.`
        : `${counted(rest.length, 'other rule')} about the pair then decide.`
  return [
    `What this rule ${effect} is ${effect} no more.`,
    ...about(facts, rule),
    left,
    ...inHand(facts, rule, null),
  ]
}

/** Whether one rule is about every pair that the other is about, as far as names show. */
function covers({ principals }: PolicyFacts, one: PolicyRule, other: PolicyRule): boolean {
  const meets = (wide: Pattern, narrow: Pattern): boolean => {
    if (wide === narrow) return true
    if (isOfKdc(narrow)) return false
    if (wide === EVERYONE) return true
    if (!isPrincipal(narrow)) return false
    if (wide.includes('/*@'))
      return narrow.startsWith(wide.slice(0, wide.indexOf('*'))) && isSameRealm(wide, narrow)
    return principals?.find(each => each.principal === (narrow as string))?.groups.includes(wide) === true
  }
  return meets(one.client, other.client) && meets(one.service, other.service)
}

function isSameRealm(one: string, other: string): boolean {
  return one.slice(one.indexOf('@')) === other.slice(other.indexOf('@'))
}

function isOfKdc(pattern: Pattern): boolean {
  return isPrincipal(pattern) && isReserved(pattern as string as Principal)
}

function about({ principals }: PolicyFacts, { client, service }: PolicyRule): string[] {
  if (principals === undefined) return []
  const [clients, services] = [client, service].map(each =>
    isOfKdc(each) ? 1 : membersOf(each, principals).length,
  )
  return [`It is about ${counted(clients ?? 0, 'client')} and ${counted(services ?? 0, 'service')} of now.`]
}

/** A ticket that was granted lives on. */
function inHand(
  { maxServiceLife }: PolicyFacts,
  before: PolicyRule | null,
  after: PolicyRule | null,
): string[] {
  const takes = before?.effect === 'allow' || after?.effect === 'deny'
  if (!takes) return ['It is in force with the next ticket.']
  const bound = maxServiceLife === undefined ? '' : `, at most ${writeDuration(maxServiceLife)} from now`
  return [
    `It is in force with the next ticket. Tickets in hand live to their end${bound}, unless the tickets of the client are revoked.`,
  ]
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
