import { shortPattern } from '../pattern.js'
import type { RealmName } from '../principal.js'
import type { Membership, PolicyChange, RuleReplaced } from './policy-change.js'
import { policyAfter, policyChange } from './policy-change.js'
import { type Policy, type PolicyFile, ruleLine } from './policy-file.js'
import { type Unmet, unmetIn } from './policy-test.js'

/** What a policy file would change, and whether it may: what the command line and the console tell before they apply it. */

export interface PolicyPlan {
  readonly change: PolicyChange
  /** As `diff` writes them: what goes with a minus, what comes with a plus. One for each change, of one or two lines. */
  readonly lines: readonly string[]
  /** How many changes more pruning would make. */
  readonly kept: number
  /** What the file expects and what would not hold. Then nothing of it is to be applied. */
  readonly unmet: readonly Unmet[]
}

/**
 * @param prune whether what the file does not have is taken away
 * @param now milliseconds: the time for expectations that name none
 */
export function policyPlan(present: Policy, wanted: PolicyFile, prune: boolean, now: number): PolicyPlan {
  const change = policyChange(present, wanted, prune)
  const whole = policyChange(present, wanted, true)
  const alone = unmetIn(wanted, wanted.expectations, now)
  // What stays may grant what the file alone does not.
  const together = { ...wanted, ...policyAfter(present, wanted, prune) }
  return {
    change,
    lines: diffLines(wanted.realm, change),
    kept: whole.rules.length + whole.members.length - change.rules.length - change.members.length,
    unmet: alone.length > 0 ? alone : unmetIn(together, wanted.expectations, now),
  }
}

/** As `orthrus admin policy diff` writes a change. */
export function diffLines(realm: RealmName, { rules, members }: PolicyChange): string[] {
  const ofRule = ({ before, after }: RuleReplaced) =>
    [before && `- ${ruleLine(realm, before)}`, after && `+ ${ruleLine(realm, after)}`]
      .filter(line => line !== null)
      .join('\n')
  const ofMember = ({ group, principal, joins }: Membership) =>
    `${joins ? '+' : '-'} group ${group.slice(1)} ${shortPattern(realm, principal)}`
  return [...members.map(ofMember), ...rules.map(ofRule)]
}

/** Why a file is not applied, in a sentence; undefined if it may be. */
export function unmetText([first, ...more]: readonly Unmet[]): string | undefined {
  if (first === undefined) return undefined
  const others = more.length === 0 ? '' : `, and ${more.length} more`
  return `line ${first.expectation.line}: ${first.expectation.text}: but ${first.why}${others}; nothing was changed`
}
