import { isGroup, type Pattern, shortPattern } from '../pattern.js'
import { isPrincipal, localPart, type Principal, type RealmName } from '../principal.js'
import type { PolicyRule } from './rule.js'
import { typedPair } from './why-steps.js'

/** What whoever changes a rule should know about it: what is usually a slip. Each says what to type. */

/** Of a pattern that nobody meets yet, other than `*`. */
export function nobodyText(pattern: Pattern): string {
  if (isGroup(pattern)) {
    const add = `orthrus admin group add ${pattern.slice(1)} NAME`
    return `nobody is in ${pattern} yet; the rule counts once somebody is: ${add}`
  }
  if (isPrincipal(pattern))
    return `there is no principal ${pattern} yet; the rule counts once there is: orthrus admin add ${localPart(pattern)}`
  const instance = localPart(pattern.replace('/*@', '/1@') as Principal)
  return `no principal matches ${pattern} yet; the rule counts once one does: orthrus admin add ${instance}`
}

/** Of a rule that allows what another denies. */
export function denialText(realm: RealmName, denial: PolicyRule): string {
  const [client, service] = [denial.client, denial.service].map(each => shortPattern(realm, each))
  const forget = `orthrus admin policy ${typedPair(realm, denial)} --forget`
  return `deny ${client} -> ${service} still wins over this rule; to take it away: ${forget}`
}
