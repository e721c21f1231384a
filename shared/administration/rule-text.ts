import { shortPattern } from '../pattern.js'
import type { RealmName } from '../principal.js'
import { printableJson, printableLine } from '../printable.js'
import type { ClaimValue } from '../ticket/claims.js'
import { formatTime } from '../time.js'
import { writeDuration, writeRate } from './policy-text.js'
import { isOver, type PolicyRule } from './rule.js'

/** Rules of policy as they are printed. */

/** The form for `--json`. */
export function ruleObject({ claims, ...rule }: PolicyRule): object {
  return { ...rule, claims: Object.fromEntries(claims) }
}

/** The cells of one row. @param now KDC time, milliseconds: a rule that has ended by then is shown as such */
export function ruleCells(realm: RealmName, rule: PolicyRule, now = 0): string[] {
  const [effect, ...terms] = termsOf(rule).values()
  if (isOver(rule, now)) terms.push('ended')
  return [
    effect ?? rule.effect,
    shortPattern(realm, rule.client),
    '->',
    shortPattern(realm, rule.service),
    terms.join(', '),
  ]
}

/** Everything that a rule says about its pair, each part under a name, so that two rules can be compared. */
function termsOf(rule: PolicyRule): Map<string, string> {
  const { effect, claims, maxLife, methods, paths, delegable, until, rate } = rule
  const terms = new Map<string, string>([['effect', effect]])
  for (const [name, value] of claims) terms.set(`claim ${name}`, typedClaim(name, value))
  if (maxLife !== null) terms.set('max-life', `at most ${writeDuration(maxLife)}`)
  if (methods !== null) terms.set('methods', `methods ${methods.join(',')}`)
  if (paths !== null) terms.set('paths', `paths ${paths.join(',')}`)
  if (delegable) terms.set('delegable', 'delegable')
  if (rate !== null) terms.set('rate', `at most ${writeRate(rate)}`)
  if (until !== null) terms.set('until', `until ${formatTime(until)}`)
  return terms
}

/**
 * As a user types it after `--claim`. A text with a space or a comma in it is quoted, so that no value looks like another
 * term of the rule.
 */
export function typedClaim(name: string, value: ClaimValue): string {
  if (typeof value === 'number' || typeof value === 'boolean') return `${quoted(name)}:=${value}`
  return `${quoted(name)}=${[value].flat().map(quoted).join(',')}`
}

function quoted(text: string): string {
  return /^[^\s,"\\]*$/.test(text) ? printableLine(text) : printableJson(text)
}

/**
 * What a change did, in words.
 * @param before null if there was no rule
 */
export function changeText(before: PolicyRule | null, after: PolicyRule): string {
  if (before === null) return 'a new rule'
  const [old, now] = [termsOf(before), termsOf(after)]
  const changes: string[] = []
  for (const [name, text] of now) {
    const was = old.get(name)
    if (was === undefined) changes.push(`${text} added`)
    else if (was !== text) changes.push(`${text} in place of ${was}`)
  }
  for (const [name, text] of old) if (!now.has(name)) changes.push(`${text} taken away`)
  return changes.length === 0 ? 'nothing changed' : `changed: ${changes.join('; ')}`
}
