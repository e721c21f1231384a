import { decide, type Terms } from '../../shared/administration/policy-decision.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { type Pattern, patternsOf } from '../../shared/pattern.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { policyName } from '../realm/directory.js'
import type { OpenRealm } from '../realm/realm.js'
import { readStoredPrincipal } from '../realm/stored-principal.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePolicyRecord } from '../vault/records.js'
import { groupsOf } from './service-tickets.js'

/** What a principal may have at `kdc@realm`, read from the store and no cache: to be asked before a change is committed. */

export type RulesAndRecords = Pick<OpenRealm, 'vault' | 'record'>

/** The rule that a pair will have; `undefined` if it will have none. */
export interface RuleAfter {
  readonly client: Pattern
  readonly service: Pattern
  readonly rule: PolicyRule | undefined
}

/** The groups that a principal will be in. */
export interface GroupsAfter {
  readonly principal: Principal
  readonly groups: readonly Pattern[]
  /** Those of them that it joins or leaves. */
  readonly changed: readonly Pattern[]
}

/** What a change does to policy. */
export interface PolicyAfter {
  readonly rules: readonly RuleAfter[]
  readonly groups: readonly GroupsAfter[]
}

const NOTHING_AFTER: PolicyAfter = { rules: [], groups: [] }

/**
 * What the next ticket of a principal for kdc grants; `undefined` if it gets none.
 * @param now KDC time, milliseconds
 * @param after what policy will be; default: what it is
 */
export async function termsAtKdc(
  realm: RulesAndRecords,
  principal: Principal,
  now: number,
  after: PolicyAfter = NOTHING_AFTER,
): Promise<Terms | undefined> {
  const groups = await groupsAfter(realm, principal, after)
  const rules = await rulesAtKdc(realm, patternsOf(principal, groups), after)
  const service = kdcService(realm.record.realm)
  const question = { client: principal, service, groups: { client: groups, service: [] }, now }
  const decision = decide(rules, { ...question, facts: KDC_FACTS })
  return decision.allowed ? decision.terms : undefined
}

/** The rules about kdc of these patterns, ended ones included. */
export async function rulesAtKdc(
  realm: RulesAndRecords,
  clients: readonly Pattern[],
  { rules }: PolicyAfter = NOTHING_AFTER,
): Promise<PolicyRule[]> {
  const kdc = kdcPattern(realm)
  const found = await Promise.all(
    clients.map(async client => {
      const changed = rules.find(rule => rule.service === kdc && rule.client === client)
      if (changed !== undefined) return changed.rule
      const stored = await realm.vault.read(RECORD_KIND.POLICY, policyName(client, kdc))
      return stored && decodePolicyRecord(stored.fields)
    }),
  )
  return found.flatMap(rule => rule ?? [])
}

/** The groups that a principal will be in; of one that does not exist, none. */
export async function groupsAfter(
  { vault }: RulesAndRecords,
  principal: Principal,
  { groups }: PolicyAfter = NOTHING_AFTER,
): Promise<readonly Pattern[]> {
  const changed = groups.find(each => each.principal === principal)
  return changed?.groups ?? groupsOf((await readStoredPrincipal(vault, principal))?.record)
}

/** The service as rules name it. */
export function kdcPattern({ record }: Pick<OpenRealm, 'record'>): Pattern {
  return kdcService(record.realm) as string as Pattern
}

const KDC_FACTS = { passwordBased: false, hasKey: true, disabled: false, expiresAt: null }
