import type { PolicyRule } from '../../shared/administration/rules.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Pattern, patternsOf } from '../../shared/pattern.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { formatTime, SECOND } from '../../shared/time.js'
import { decide, type Terms } from '../issue/policy.js'
import { groupsOf } from '../issue/service-tickets.js'
import { ADMINISTRATION_LIFE_MIN } from '../limits/defaults.js'
import { type AdminContext, readPrincipal, readRule } from './context.js'
import { actorsOf, isAdministrator } from './role.js'

/**
 * Keeps a realm from being left without an administrator, and from one whose role was taken away. Whoever changes
 * anything as an administrator is one by the rules of that moment, and still is one afterwards. The ticket does not
 * tell: its claim stays for up to an hour after another administrator has taken the role away.
 */

/** The same caller, whose changes are refused (`not_authorized`) unless the rules still make it an administrator. */
export function stillAdministrating(context: AdminContext): AdminContext {
  const change: AdminContext['change'] = plan =>
    context.change(async now => {
      await requireStillAdministrator(context, now)
      return plan(now)
    })
  return { ...context, change }
}

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

export const NOTHING_AFTER: PolicyAfter = { rules: [], groups: [] }

/**
 * For a change of policy. One that does not concern who administers is of no concern here. Whoever's own role has an end
 * may not say who administers: then the last administrator without an end could be taken away, and nobody be left.
 * @throws OrthrusError `not_authorized`
 */
export async function requireRemaining(
  context: AdminContext,
  after: PolicyAfter,
  now: number,
): Promise<void> {
  if (context.caller === undefined || !(await concernsKdc(context, after))) return
  await requireLasting(context, context.caller.client, now)
  for (const actor of actorsOf(context.caller)) await requireRemainingActor(context, actor, after, now)
}

async function requireRemainingActor(
  context: AdminContext,
  actor: Principal,
  after: PolicyAfter,
  now: number,
): Promise<void> {
  const groups = groupsAfter(after, actor) ?? (await storedGroups(context, actor))
  const patterns = patternsOf(actor, groups)
  const isMoved = after.groups.some(({ principal }) => principal === actor)
  if (!isMoved && !after.rules.some(rule => isAboutKdc(context, rule) && patterns.includes(rule.client)))
    return
  const terms = await termsAtKdc(context, actor, now, after)
  if (terms === undefined || !isAdministrator(terms.claims)) throw lockedOut(actor)
  if (terms.maxLife !== null && terms.maxLife < ADMINISTRATION_LIFE_MIN) {
    const seconds = ADMINISTRATION_LIFE_MIN / SECOND
    throw lockedOut(actor, `: its tickets for kdc would live less than ${seconds} s`)
  }
  if (terms.until !== null) throw lockedOut(actor, ` from ${formatTime(terms.until)} on`)
}

async function concernsKdc(context: AdminContext, { rules, groups }: PolicyAfter): Promise<boolean> {
  if (rules.some(rule => isAboutKdc(context, rule))) return true
  const changed = new Set(groups.flatMap(each => each.changed))
  const kdc = kdcPattern(context)
  const found = await Promise.all([...changed].map(group => readRule(context, group, kdc)))
  return found.some(rule => rule !== undefined)
}

async function requireLasting(context: AdminContext, actor: Principal, now: number): Promise<void> {
  const until = (await termsAtKdc(context, actor, now))?.until
  if (until === undefined || until === null) return
  throw new OrthrusError(
    'not_authorized',
    `${actor} is an administrator until ${formatTime(until)} only, and so cannot say who administers`,
    { principal: actor, hint: 'let an administrator without an end do it' },
  )
}

async function requireStillAdministrator(context: AdminContext, now: number): Promise<void> {
  const principal = context.caller?.client
  if (principal === undefined) return
  const terms = await termsAtKdc(context, principal, now)
  if (terms !== undefined && isAdministrator(terms.claims)) return
  throw new OrthrusError('not_authorized', `${principal} is no longer an administrator`, { principal })
}

/**
 * What the next ticket of a principal for kdc grants; `undefined` if it gets none. Read from the store and no cache.
 * @param after what policy will be; default: what it is
 */
export async function termsAtKdc(
  context: AdminContext,
  principal: Principal,
  now: number,
  after: PolicyAfter = NOTHING_AFTER,
): Promise<Terms | undefined> {
  const groups = groupsAfter(after, principal) ?? (await storedGroups(context, principal))
  const found = await Promise.all(
    patternsOf(principal, groups).map(pattern => ruleAtKdc(context, pattern, after)),
  )
  const rules = found.flatMap(rule => rule ?? [])
  const service = kdcService(context.realm.record.realm)
  const question = { client: principal, service, groups: { client: groups, service: [] }, now }
  const decision = decide(rules, { ...question, facts: KDC_FACTS })
  return decision.allowed ? decision.terms : undefined
}

async function ruleAtKdc(
  context: AdminContext,
  client: Pattern,
  { rules }: PolicyAfter,
): Promise<PolicyRule | undefined> {
  const changed = rules.find(rule => isAboutKdc(context, rule) && rule.client === client)
  if (changed !== undefined) return changed.rule
  return (await readRule(context, client, kdcPattern(context)))?.record
}

function groupsAfter({ groups }: PolicyAfter, principal: Principal): readonly Pattern[] | undefined {
  return groups.find(each => each.principal === principal)?.groups
}

async function storedGroups(context: AdminContext, principal: Principal): Promise<readonly Pattern[]> {
  return groupsOf((await readPrincipal(context, principal))?.record)
}

function isAboutKdc(context: AdminContext, { service }: RuleAfter): boolean {
  return service === kdcPattern(context)
}

function kdcPattern({ realm }: AdminContext): Pattern {
  return kdcService(realm.record.realm) as string as Pattern
}

const KDC_FACTS = { passwordBased: false, hasKey: true, disabled: false, expiresAt: null }

function lockedOut(actor: Principal, why = ''): OrthrusError {
  return new OrthrusError('not_authorized', `${actor} would no longer be an administrator${why}`, {
    principal: actor,
    hint: 'let another administrator do it',
  })
}
