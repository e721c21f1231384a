import { OrthrusError } from '../../shared/errors.js'
import { patternsOf } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { formatTime, SECOND } from '../../shared/time.js'
import {
  groupsAfter,
  kdcPattern,
  type PolicyAfter,
  type RuleAfter,
  rulesAtKdc,
  termsAtKdc,
} from '../issue/terms-at-kdc.js'
import { ADMINISTRATION_LIFE_MIN } from '../limits/defaults.js'
import type { AdminContext } from './context.js'
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
  const groups = await groupsAfter(context.realm, actor, after)
  const patterns = patternsOf(actor, groups)
  const isMoved = after.groups.some(({ principal }) => principal === actor)
  if (!isMoved && !after.rules.some(rule => isAboutKdc(context, rule) && patterns.includes(rule.client)))
    return
  const terms = await termsAtKdc(context.realm, actor, now, after)
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
  return (await rulesAtKdc(context.realm, [...changed])).length > 0
}

async function requireLasting(context: AdminContext, actor: Principal, now: number): Promise<void> {
  const until = (await termsAtKdc(context.realm, actor, now))?.until
  if (until === undefined || until === null) return
  throw new OrthrusError(
    'not_authorized',
    `${actor} is an administrator until ${formatTime(until)} only, and so cannot say who administers`,
    { principal: actor, hint: 'let an administrator without an end do it' },
  )
}

/** @throws OrthrusError `not_authorized` if the caller is an administrator by its ticket, and no longer by the rules */
export async function requireStillAdministrator(context: AdminContext, now: number): Promise<void> {
  const principal = context.caller?.client
  if (principal === undefined) return
  const terms = await termsAtKdc(context.realm, principal, now)
  if (terms !== undefined && isAdministrator(terms.claims)) return
  throw new OrthrusError('not_authorized', `${principal} is no longer an administrator`, { principal })
}

function isAboutKdc({ realm }: AdminContext, { service }: RuleAfter): boolean {
  return service === kdcPattern(realm)
}

function lockedOut(actor: Principal, why = ''): OrthrusError {
  return new OrthrusError('not_authorized', `${actor} would no longer be an administrator${why}`, {
    principal: actor,
    hint: 'let another administrator do it',
  })
}
