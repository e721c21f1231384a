import {
  type Membership,
  type PolicyChange,
  pairOf,
  type RuleReplaced,
} from '../../shared/administration/policy-change.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { policyName } from '../realm/directory.js'
import { RECORD_KIND } from '../store/store.js'
import { encodePolicyRecord } from '../vault/records.js'
import type { VaultChange } from '../vault/vault.js'
import {
  type AdminContext,
  changeRealm,
  readRule,
  requirePrincipal,
  shortName,
  writePrincipal,
} from './context.js'
import { requireMember, withGroup, withoutGroup } from './groups.js'
import { requireRemaining } from './lockout.js'
import { requireFuture, requireSensible, requireUnchanged, storedForm } from './rules.js'

/**
 * Makes many changes of policy in one commit, or none of them. Each says what was there before; what somebody else has
 * changed since is named.
 * @throws OrthrusError `malformed` `not_authorized` `unknown_service`
 */
export async function applyPolicy(context: AdminContext, change: PolicyChange): Promise<void> {
  for (const { after } of change.rules) if (after !== null) requireSensible(context, after)
  for (const { principal } of change.members) requireMember(context, principal)
  await changeRealm(context, async now => {
    const rules = await Promise.all(change.rules.map(replaced => planRule(context, replaced, now)))
    const moved = await planMembers(context, change.members, now)
    const rulesAfter = change.rules.map(replaced => {
      const [client, service] = pairOf(replaced)
      return { client, service, rule: replaced.after ?? undefined }
    })
    const groupsAfter = moved.map(({ record: { name, groups }, changed }) => ({
      principal: name,
      groups,
      changed,
    }))
    await requireRemaining(context, { rules: rulesAfter, groups: groupsAfter }, now)
    const changes = [...rules, ...moved.map(writePrincipal)]
    const reported = changes.length === 0 ? undefined : ({ method: 'apply-policy', ...change } as const)
    return { changes, effect: 'takes', result: undefined, reported }
  })
}

async function planRule(context: AdminContext, replaced: RuleReplaced, now: number): Promise<VaultChange> {
  const [client, service] = pairOf(replaced)
  const found = await readRule(context, client, service)
  requireUnchanged(context, [client, service], replaced.before, found?.record ?? null)
  const name = policyName(client, service)
  const step = { kind: RECORD_KIND.POLICY, name, expected: found?.version ?? 0 }
  if (replaced.after === null) return { ...step, fields: undefined }
  requireFuture(replaced.after, now)
  return { ...step, fields: encodePolicyRecord({ ...storedForm(replaced.after), changedAt: now }) }
}

type Moved = Awaited<ReturnType<typeof requirePrincipal>> & { readonly changed: readonly Pattern[] }

async function planMembers(
  context: AdminContext,
  members: readonly Membership[],
  now: number,
): Promise<Moved[]> {
  const names = [...new Set(members.map(({ principal }) => principal))]
  return Promise.all(
    names.map(async name => {
      const { version, record } = await requirePrincipal(context, name)
      const own = members.filter(({ principal }) => principal === name)
      let { groups } = record
      for (const membership of own) groups = moveTo(groups, membership)
      return {
        version,
        record: { ...record, groups, changedAt: now },
        changed: own.map(({ group }) => group),
      }
    }),
  )
}

function moveTo(groups: readonly Pattern[], { group, principal, joins }: Membership): readonly Pattern[] {
  if (groups.includes(group) === joins) throw movedMeanwhile(group, principal, joins)
  return joins ? withGroup(groups, group) : withoutGroup(groups, group)
}

function movedMeanwhile(group: Pattern, principal: Principal, joins: boolean): OrthrusError {
  const how = joins
    ? `put ${shortName(principal)} into ${group}`
    : `took ${shortName(principal)} out of ${group}`
  return new OrthrusError('malformed', `somebody else ${how} meanwhile`, {
    hint: 'look at the difference and try again: orthrus admin policy diff FILE',
  })
}

/** The most changes of one call: the commit is one, and so is the line in the log. */
const CHANGES_MAX = 5_000

export function requireBounded(change: PolicyChange): PolicyChange {
  if (change.rules.length + change.members.length <= CHANGES_MAX) return change
  throw malformed(`more than ${CHANGES_MAX} changes at once: apply them in parts`)
}
