import type { PolicyRule } from '../../shared/administration/rules.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Pattern, patternsOf } from '../../shared/pattern.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { decide, type Terms } from '../issue/policy.js'
import { ADMINISTRATION_LIFE_MIN } from '../limits/defaults.js'
import { type AdminContext, readRule } from './context.js'
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
      await requireStillAdministrator(context)
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

/**
 * For a change of a rule. One that is not about kdc is of no concern here.
 * @throws OrthrusError `not_authorized`
 */
export async function requireRemaining(context: AdminContext, after: RuleAfter): Promise<void> {
  if ((after.service as string) !== kdcService(context.realm.record.realm)) return
  for (const actor of actorsOf(context.caller)) {
    if (!patternsOf(actor).includes(after.client)) continue
    const terms = await termsAtKdc(context, actor, after)
    if (terms === undefined || !isAdministrator(terms.claims)) throw lockedOut(actor)
    if (terms.maxLife !== null && terms.maxLife < ADMINISTRATION_LIFE_MIN) {
      const seconds = ADMINISTRATION_LIFE_MIN / SECOND
      throw lockedOut(actor, `: its tickets for kdc would live less than ${seconds} s`)
    }
  }
}

async function requireStillAdministrator(context: AdminContext): Promise<void> {
  const principal = context.caller?.client
  if (principal === undefined) return
  const terms = await termsAtKdc(context, principal, undefined)
  if (terms !== undefined && isAdministrator(terms.claims)) return
  throw new OrthrusError('not_authorized', `${principal} is no longer an administrator`, { principal })
}

/** What the actor's next ticket for kdc grants; `undefined` if it gets none. */
async function termsAtKdc(
  context: AdminContext,
  actor: Principal,
  after: RuleAfter | undefined,
): Promise<Terms | undefined> {
  const kdc = kdcService(context.realm.record.realm)
  const patterns = patternsOf(actor).filter(pattern => pattern !== after?.client)
  const found = await Promise.all(
    patterns.map(pattern => readRule(context, pattern, kdc as string as Pattern)),
  )
  const rules: PolicyRule[] = found.flatMap(stored => (stored === undefined ? [] : [stored.record]))
  if (after?.rule !== undefined) rules.push(after.rule)
  const decision = decide(rules, { client: actor, service: kdc, facts: KDC_FACTS, now: 0 })
  return decision.allowed ? decision.terms : undefined
}

const KDC_FACTS = { passwordBased: false, hasKey: true, disabled: false, expiresAt: null }

function lockedOut(actor: Principal, why = ''): OrthrusError {
  return new OrthrusError('not_authorized', `${actor} would no longer be an administrator${why}`, {
    principal: actor,
    hint: 'let another administrator do it',
  })
}
