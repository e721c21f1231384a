import { type Decision, everMatching } from '../../shared/administration/policy-decision.js'
import { type DecidingRule, isOver, NO_TERMS, type PolicyRule } from '../../shared/administration/rule.js'
import type {
  CaveatRefusal,
  LifeLimit,
  WeighedRule,
  WhyRate,
  WhyTicket,
} from '../../shared/administration/why.js'
import { FLAG } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError, type WireCode, wireCodeOf } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { decodeCaveat, type Facts, requireCaveats } from '../../shared/ticket/caveats.js'
import { limitedByRule, type RateLimits } from '../limits/rate-limits.js'
import { tgtCaveats } from '../realm/invitation.js'
import { loginKey, requireEnabled } from '../realm/login.js'
import { currentKey, nextKey } from '../realm/principal-keys.js'
import type { PrincipalRecord, RealmRecord, StoredKey } from '../vault/records.js'
import { issueTicket, issuingService } from './issue.js'
import { endTimeOf, type LifetimeLimits } from './lifetime.js'
import {
  contentFor,
  decideFor,
  groupsOf,
  lifetimeFor,
  questionFor,
  type RequestedService,
} from './service-tickets.js'
import { tgtLifetime } from './tgt.js'

/**
 * Explains a decision before it is met. The functions that decide in an exchange decide here, and the ticket that would
 * be granted is made and thrown away. So what is explained is what the client then gets.
 */

/** The records to decide from, and the request that the ticket would be presented with. */
export interface WhyGrounds {
  readonly realm: RealmRecord
  readonly granting: PrincipalRecord
  readonly clientName: Principal
  /** `undefined` if there is no such client, or it was removed. */
  readonly client: PrincipalRecord | undefined
  readonly requested: RequestedService
  /** The time to decide for, milliseconds. */
  readonly now: number
  readonly method: string | null
  readonly path: string | null
  /** What counts the tickets by rules that have a rate; `undefined` if that is not to be told, or not known. */
  readonly rates: Pick<RateLimits, 'ruleUse'> | undefined
}

export interface Explained {
  readonly code: WireCode | null
  readonly reason: string
  readonly rules: readonly WeighedRule[]
  /** The rule that decides, if one does. */
  readonly rule: DecidingRule | null
  readonly ticket: WhyTicket | null
  /** That of the rule, if it allows and has one. */
  readonly rate: WhyRate | null
}

/** What a login of the client, and its request for the service, would come to. */
export function explain(grounds: WhyGrounds, random: RandomSource): Explained {
  const { requested, clientName, now } = grounds
  const asking = { name: clientName, groups: groupsOf(grounds.client) }
  const decision = decideFor(requested, asking, now)
  const { rule } = decision
  const matching = everMatching(requested.rules, questionFor(requested, asking, now))
  const rules = weigh(matching, rule, now)
  const rate = rateOf(grounds, decision)
  const found = { rule, rules, rate }
  try {
    return { code: null, reason: '', ...found, ticket: ticketFor(grounds, decision, rate, random) }
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    return { code: wireCodeOf(cause), reason: cause.reason, ...found, ticket: null }
  }
}

/** The rules that match, or did before they ended, with what becomes of each. */
function weigh(matching: readonly PolicyRule[], deciding: DecidingRule | null, now: number): WeighedRule[] {
  return matching.map(rule => {
    if (rule === deciding) return { rule, fate: 'decides' }
    if (isOver(rule, now)) return { rule, fate: 'ended' }
    const isOverruled = deciding?.effect === 'deny' && rule.effect === 'allow'
    return { rule, fate: isOverruled ? 'overruled' : 'less specific' }
  })
}

function rateOf({ clientName, rates }: WhyGrounds, decision: Decision): WhyRate | null {
  const { rule } = decision
  if (!decision.allowed || rule === null || decision.terms.rate === null) return null
  const { rate } = decision.terms
  return { ...rate, ...(rates?.ruleUse(clientName, rule, rate) ?? { left: null, wait: null }) }
}

/** @throws OrthrusError with the code that the client gets in place of a ticket */
function ticketFor(
  grounds: WhyGrounds,
  decision: Decision,
  rate: WhyRate | null,
  random: RandomSource,
): WhyTicket {
  const { realm, granting, requested, now } = grounds
  const { client, key } = requireLogin(grounds)
  const login = { client, now, lifetime: 0, authTime: now, passwordBased: key.fromPassword }
  const tgtEnd = endTimeOf(tgtLifetime(realm, { ...login, granting }, null), 0)
  const caveats = tgtCaveats(client).map(bytes => ({ bytes, caveat: decodeCaveat(bytes) }))
  const applicant = { ...login, tgtEnd, caveats }
  const { record, content } = contentFor(realm, requested, applicant, decision, undefined)
  if (rate?.wait && decision.rule !== null) throw limitedByRule(client.name, decision.rule, rate.wait)
  // Its limits on sizes are part of the decision.
  issueTicket(issuingService(record), content, random)
  const terms = decision.allowed ? decision.terms : NO_TERMS
  return {
    endTime: content.endTime,
    limits: namedLimits(lifetimeFor(realm, record, terms, applicant)),
    claims: content.claims,
    caveats: content.caveats,
    delegable: (content.flags & FLAG.DELEGABLE) !== 0,
    passwordBased: (content.flags & FLAG.PASSWORD) !== 0,
    refusal: refusalOf(content.caveats, grounds),
  }
}

/** As a login is answered (docs/protocol.md section 6). @throws OrthrusError `auth_failed` `principal_disabled` `revoked` */
function requireLogin({ client, clientName: principal, now }: WhyGrounds): {
  readonly client: PrincipalRecord
  readonly key: StoredKey
} {
  if (client === undefined) throw new OrthrusError('auth_failed', 'there is no such principal', { principal })
  const kvno = (currentKey(client) ?? nextKey(client))?.kvno
  const key = kvno === undefined ? undefined : loginKey(client, kvno, now)
  if (key === undefined) throw new OrthrusError('auth_failed', 'it has no key to log in with', { principal })
  requireEnabled(client, now)
  return { client, key }
}

/** In the order in which `lifetimeFor` has them. */
const LIVES = ['client', 'service', 'realm', 'rule'] as const satisfies readonly LifeLimit[]
const ENDS = [
  'tgt',
  'caveat',
  'client expires',
  'service expires',
  'rule ends',
] as const satisfies readonly LifeLimit[]

/** Every bound that there is, the shortest first. What bounds the TGT too is named before it. */
function namedLimits({ now, lives, ends }: LifetimeLimits): [LifeLimit, number][] {
  const ofLives = LIVES.map((name, i): [LifeLimit, number] => [name, lives[i] ?? Number.POSITIVE_INFINITY])
  const ofEnds = ENDS.map((name, i): [LifeLimit, number] => [
    name,
    (ends[i] ?? Number.POSITIVE_INFINITY) - now,
  ])
  return [...ofLives, ...ofEnds]
    .filter(([, life]) => Number.isFinite(life))
    .sort(([one, life], [other, longer]) => life - longer || Number(one === 'tgt') - Number(other === 'tgt'))
}

/** Checks those caveats whose fact the question names. */
function refusalOf(
  caveats: readonly Uint8Array[],
  { requested: { service }, now, method, path }: WhyGrounds,
): CaveatRefusal | null {
  const facts: Facts = {
    now,
    service,
    method: method ?? undefined,
    target: path ?? undefined,
    holder: undefined,
    checkers: new Map(),
  }
  for (const caveat of caveats.map(decodeCaveat)) {
    if (caveat.name === 'methods' ? method === null : caveat.name !== 'paths' || path === null) continue
    try {
      requireCaveats([caveat], facts)
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      return { caveat: caveat.name, reason: cause.reason }
    }
  }
  return null
}
