import { caveatsOf } from '../../shared/administration/policy-decision.js'
import { isOver, NO_TERMS, type PolicyRule, type RuleRate } from '../../shared/administration/rule.js'
import { isSameRule, type RuleChange } from '../../shared/administration/rules.js'
import { LIMIT } from '../../shared/constants.js'
import { caveatBytes } from '../../shared/encoding/fields.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { EVERYONE, isGroup, type Pattern, shortPattern } from '../../shared/pattern.js'
import { kdcService, type Principal, type RealmName, ticketGrantingService } from '../../shared/principal.js'
import { decodeCaveat } from '../../shared/ticket/caveats.js'
import { ownable } from '../issue/ownership.js'
import { REALM_BOUNDS, RULE_RATE_BOUNDS } from '../limits/defaults.js'
import { policyName } from '../realm/directory.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePolicyRecord, encodePolicyRecord } from '../vault/records.js'
import { type AdminContext, changeRealm, readRule } from './context.js'
import { requireRemaining } from './lockout.js'
import { rowsOwned } from './owners.js'

/** The methods for policy: one rule for each pair of patterns. */

/**
 * `allow` and `deny`: replace the rule of the pair, or make one.
 * @throws OrthrusError `malformed`, also if the stored rule is not the one that `before` says; `not_authorized`
 */
export async function setRule(context: AdminContext, { rule, before }: RuleChange): Promise<void> {
  requireSensible(context, rule)
  const { client, service, effect } = rule
  const stored = storedForm(rule)
  await changeRealm(context, async now => {
    requireFuture(stored, now)
    const found = await readRule(context, client, service)
    if (before !== undefined) requireUnchanged(context, [client, service], before, found?.record ?? null)
    await requireRemaining(context, { rules: [{ client, service, rule: stored }], groups: [] }, now)
    const fields = encodePolicyRecord({ ...stored, changedAt: now })
    const name = policyName(client, service)
    const changes = [{ kind: RECORD_KIND.POLICY, name, expected: found?.version ?? 0, fields }]
    // A rule that allows may take the place of one that allowed more, its own or that of a wider pattern.
    return { changes, effect: 'takes', result: undefined, reported: { method: effect, rule: stored } }
  })
}

/** A denial has no terms but its end. */
export function storedForm(rule: PolicyRule): PolicyRule {
  const { client, service, effect, until } = rule
  return effect === 'deny' ? { client, service, effect, ...NO_TERMS, until } : rule
}

/** @throws OrthrusError `malformed` for a rule that has ended */
export function requireFuture(rule: PolicyRule, now: number): void {
  if (isOver(rule, now)) throw malformed('the rule would have ended already')
}

/**
 * Compares the values, not the versions: the version of a rule that was forgotten in between begins again at 1.
 * @throws OrthrusError `malformed`, which names the pair
 */
export function requireUnchanged(
  context: AdminContext,
  pair: readonly [client: Pattern, service: Pattern],
  before: PolicyRule | null,
  found: PolicyRule | null,
): void {
  if (isSameRule(before, found)) return
  const names = shortPair(context, pair)
  throw new OrthrusError('malformed', `somebody else changed the rule of ${names} after it was read`, {
    hint: `look at the rule and try again: orthrus admin policy ${names}`,
  })
}

function shortPair({ realm }: AdminContext, pair: readonly Pattern[]): string {
  return pair.map(pattern => shortPattern(realm.record.realm, pattern)).join(' ')
}

/** The rule of exactly this pair; null if there is none. */
export async function ruleFor(
  context: AdminContext,
  client: Pattern,
  service: Pattern,
): Promise<PolicyRule | null> {
  return (await readRule(context, client, service))?.record ?? null
}

/**
 * Removes the rule of the pair; other rules that match it then decide.
 * @throws OrthrusError `malformed` `not_authorized`
 */
export async function forget(context: AdminContext, client: Pattern, service: Pattern): Promise<void> {
  await changeRealm(context, async now => {
    const found = await readRule(context, client, service)
    if (found === undefined) throw noRule(context, client, service)
    await requireRemaining(context, { rules: [{ client, service, rule: undefined }], groups: [] }, now)
    const name = policyName(client, service)
    const changes = [{ kind: RECORD_KIND.POLICY, name, expected: found.version, fields: undefined }]
    return { changes, effect: 'takes', result: undefined, reported: { method: 'forget', client, service } }
  })
}

/** Rules in the order of client and service, those after `after`. */
export async function policy(
  context: AdminContext,
  after: readonly [client: Pattern, service: Pattern] | null,
  limit: number,
): Promise<PolicyRule[]> {
  const { vault } = context.realm
  const isOwned = await rowsOwned(context)
  const rows: PolicyRule[] = []
  for (let last = after === null ? undefined : policyName(...after); rows.length < limit; ) {
    const page = await vault.list(RECORD_KIND.POLICY, {
      ...(last === undefined ? {} : { after: last }),
      limit,
    })
    for (const { fields } of page) {
      const rule = decodePolicyRecord(fields)
      if (await isOwned(rule.service)) rows.push(rule)
    }
    last = page.at(-1)?.name
    if (page.length < limit) break
  }
  return rows.slice(0, limit)
}

function noRule(context: AdminContext, client: Pattern, service: Pattern): OrthrusError {
  const pair = shortPair(context, [client, service])
  return new OrthrusError('malformed', `there is no rule for ${pair}`, { hint: 'run: orthrus admin policy' })
}

/** Refuses a rule that could never do what it says. @throws OrthrusError `malformed` */
export function requireSensible({ realm: { record } }: AdminContext, rule: PolicyRule): void {
  const { client, service, methods, paths, rate, maxLife, until } = rule
  for (const pattern of [client, service]) {
    if (pattern !== EVERYONE && !isGroup(pattern) && !pattern.endsWith(`@${record.realm}`))
      throw malformed(`${pattern} is not of the realm ${record.realm}`)
  }
  if (isSame(service, ticketGrantingService(record.realm)))
    throw malformed('a rule cannot be about krbtgt: its ticket comes from a login')
  if (isSame(service, kdcService(record.realm)) && (methods !== null || paths !== null))
    throw malformed(
      'a rule for kdc cannot be restricted: kdc is reached by a channel, which has neither method nor path',
    )
  if (isSame(service, kdcService(record.realm)) && rate !== null)
    throw malformed('a rule for kdc has no rate: it would keep administrators out')
  if (rate !== null) requireRate(rate)
  // What no policy file can hold would let the owner of one service keep everybody's from being exported.
  if (maxLife !== null && maxLife > REALM_BOUNDS.CENTURY)
    throw malformed('a ticket lives for a century at most: leave out how long')
  if (until !== null && until > LATEST_END)
    throw malformed('a rule ends before the year 10000: leave its end out')
  if (isSame(service, kdcService(record.realm))) requireOwnable(rule, record.realm)
  requireUsableCaveats(rule)
}

/** Beyond, a date has more than four digits for its year. */
const LATEST_END = Date.UTC(9999, 11, 31)

/** An owner of nothing, or of everything, is a slip. */
function requireOwnable({ claims }: PolicyRule, realm: RealmName): void {
  const owner = claims.find(([name]) => name === 'owner')?.[1]
  const odd = [owner ?? []]
    .flat()
    .find(text => typeof text !== 'string' || ownable(text, realm) === undefined)
  if (odd === undefined) return
  throw malformed(`nobody can own ${JSON.stringify(odd)}: name a service, NAME/* or @GROUP, and not the KDC`)
}

function requireRate({ points, interval }: RuleRate): void {
  const { INTERVAL_MIN, INTERVAL_MAX, POINTS_MAX } = RULE_RATE_BOUNDS
  if (interval < INTERVAL_MIN || interval > INTERVAL_MAX || points > POINTS_MAX)
    throw malformed(`a rate is 1 to ${POINTS_MAX} tickets in a second, a minute or up to an hour`)
}

function requireUsableCaveats(rule: PolicyRule): void {
  const { methods, paths } = rule
  if (methods?.length === 0 || paths?.length === 0)
    throw malformed('an empty list of methods or paths would allow nothing')
  if (methods?.some(method => !METHOD.test(method)))
    throw malformed('a method is written in upper case, as in GET')
  const caveats = caveatsOf(rule)
  if (caveatBytes(caveats) > LIMIT.CAVEATS_BYTES) throw malformed('methods and paths of more than 2 KiB')
  try {
    for (const caveat of caveats) decodeCaveat(caveat)
  } catch (cause) {
    throw cause instanceof OrthrusError
      ? malformed('a path must begin with / and must not be ambiguous')
      : cause
  }
}

/** Methods are compared with their case, and all methods in use are in upper case. */
const METHOD = /^[A-Z][A-Z0-9-]*$/

function isSame(pattern: Pattern, principal: Principal): boolean {
  return (pattern as string) === principal
}
