import type { Value } from '../encoding/encoding.js'
import { booleanOf, fields, groupOf, listOf, nullable, principalOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { Pattern } from '../pattern.js'
import type { Principal } from '../principal.js'
import { byPair, type Policy } from './policy-file.js'
import type { PolicyRule } from './rule.js'
import { decodePolicyRule, encodePolicyRule, isSameRule } from './rules.js'

/** What makes one policy out of another, and the argument of `apply-policy` (docs/protocol.md section 9). */

/** The rule of a pair before and after; null for none. One of them is a rule. */
export interface RuleReplaced {
  readonly before: PolicyRule | null
  readonly after: PolicyRule | null
}

/** A principal joins a group, or leaves it. */
export interface Membership {
  readonly group: Pattern
  readonly principal: Principal
  readonly joins: boolean
}

/** All of it is made in one commit, or none. What it says of before must still be so then. */
export interface PolicyChange {
  readonly rules: readonly RuleReplaced[]
  readonly members: readonly Membership[]
}

export function encodePolicyChange({ rules, members }: PolicyChange): Value[] {
  return [
    rules.map(({ before, after }) => [before && encodePolicyRule(before), after && encodePolicyRule(after)]),
    members.map(({ group, principal, joins }) => [group, principal, joins]),
  ]
}

/** @throws OrthrusError `malformed`, also for a pair or a membership twice */
export function decodePolicyChange(args: readonly Value[]): PolicyChange {
  const [rules, members] = fields(args, 2)
  const change = { rules: listOf(rules).map(decodeReplaced), members: listOf(members).map(decodeMembership) }
  requireOnce(change.rules.map(replaced => pairOf(replaced).join(' ')))
  requireOnce(change.members.map(({ group, principal }) => `${group} ${principal}`))
  return change
}

function requireOnce(names: readonly string[]): void {
  if (new Set(names).size < names.length) throw malformed('the same change twice')
}

function decodeReplaced(value: Value): RuleReplaced {
  const [first, second] = fields(value, 2)
  const [before, after] = [nullable(first, decodePolicyRule), nullable(second, decodePolicyRule)]
  const isOnePair =
    before === null || after === null || (before.client === after.client && before.service === after.service)
  if ((before === null && after === null) || !isOnePair) throw malformed('a change of no rule, or of two')
  return { before, after }
}

function decodeMembership(value: Value): Membership {
  const [group, principal, joins] = fields(value, 3)
  return { group: groupOf(group), principal: principalOf(principal), joins: booleanOf(joins) }
}

/** The pair whose rule is replaced. */
export function pairOf({ before, after }: RuleReplaced): readonly [client: Pattern, service: Pattern] {
  const rule = after ?? before
  if (rule === null) throw new TypeError('a change of no rule')
  return [rule.client, rule.service]
}

/**
 * What makes the wanted policy of the present one, in a stable order.
 * @param prune whether what is not wanted is taken away; otherwise it stays
 */
export function policyChange(present: Policy, wanted: Policy, prune: boolean): PolicyChange {
  const key = ({ client, service }: PolicyRule) => `${client} ${service}`
  const before = new Map(present.rules.map(rule => [key(rule), rule]))
  const after = new Map(wanted.rules.map(rule => [key(rule), rule]))
  const replaced = [...after].map(([name, rule]) => ({ before: before.get(name) ?? null, after: rule }))
  const gone = [...before]
    .filter(([name]) => !after.has(name))
    .map(([, rule]) => ({ before: rule, after: null }))
  const rules = [...replaced, ...(prune ? gone : [])]
    .filter(change => !isSameRule(change.before, change.after))
    .sort((one, other) =>
      byPair((one.after ?? one.before) as PolicyRule, (other.after ?? other.before) as PolicyRule),
    )
  return { rules, members: membersChange(present, wanted, prune) }
}

/** The policy that `policyChange` makes. */
export function policyAfter(present: Policy, wanted: Policy, prune: boolean): Policy {
  if (prune) return wanted
  const key = ({ client, service }: PolicyRule) => `${client} ${service}`
  const keys = new Set(wanted.rules.map(key))
  return {
    groups: new Map([...present.groups, ...wanted.groups]),
    rules: [...wanted.rules, ...present.rules.filter(rule => !keys.has(key(rule)))],
  }
}

/** A group that is wanted has just the members that it is wanted with; whether other groups stay, `prune` says. */
function membersChange(present: Policy, wanted: Policy, prune: boolean): Membership[] {
  const groups = [...new Set([...wanted.groups.keys(), ...(prune ? present.groups.keys() : [])])].sort()
  return groups.flatMap(group => {
    const [had, has] = [new Set(present.groups.get(group)), new Set(wanted.groups.get(group))]
    const principals = [...new Set([...had, ...has])].sort()
    return principals
      .filter(principal => had.has(principal) !== has.has(principal))
      .map(principal => ({ group, principal, joins: has.has(principal) }))
  })
}
