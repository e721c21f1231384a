import { shortPattern } from '../pattern.js'
import { localPart, type RealmName, realmOf } from '../principal.js'
import { DAY, formatTime, SECOND } from '../time.js'
import { writeRate } from './policy-text.js'
import type { PolicyRule, RuleRate } from './rule.js'
import type { Why, WhyParty, WhyQuestion } from './why.js'

/** What to type to change what `orthrus admin why` says: pure functions of the KDC's answer. */

/** Commands, and what they are for. Empty if the client gets what was asked about. */
export function nextSteps(question: WhyQuestion, why: Why): string[] {
  const [client, service] = [localPart(question.client), localPart(question.service)]
  const ask = `an administrator runs: orthrus admin why ${client} ${service}`
  switch (why.code) {
    case null:
      return requestSteps(question, why)
    case 'auth_failed':
      return why.scope === 'service' ? [ask] : missingSteps(client, why.client)
    case 'principal_disabled':
      return stateSteps(client, why.client)
    case 'revoked':
      return ['orthrus admin invite NAME']
    case 'policy_denied':
      return policySteps(question, why)
    case 'unknown_service':
      if (why.scope === 'client') return [ask]
      return why.service?.keys.length ? stateSteps(service, why.service) : missingSteps(service, why.service)
    case 'caveat_failed':
      return ['an invitation can only join: orthrus join CODE']
    case 'rate_limited':
      return rateSteps(question, why)
    case 'too_large':
      return [`give the rule fewer claims or paths: orthrus admin policy ${client} ${service}`]
    default:
      return []
  }
}

function missingSteps(name: string, party: WhyParty | null): string[] {
  if (name === 'krbtgt' || name === 'kdc') return ['nobody logs in as the KDC: ask for another client']
  if (party === null) return [`orthrus admin add ${name}`]
  return [
    `orthrus admin invite ${name}`,
    `or, to carry the key by hand: orthrus admin rotate ${name} --keytab FILE`,
  ]
}

function stateSteps(name: string, party: WhyParty | null): string[] {
  if (party?.disabled === true) return [`orthrus admin enable ${name}`]
  // A principal's end cannot be moved.
  return [`orthrus admin remove ${name}`, `orthrus admin add ${name}`]
}

function policySteps(question: WhyQuestion, why: Why): string[] {
  const { client, service } = question
  const { rules, scope } = why
  const name = localPart(service)
  if (name === 'krbtgt') return ['a TGT comes with every login: ask about another service']
  const live = rules.filter(({ fate }) => fate !== 'ended').map(({ rule }) => rule)
  const denials = live.filter(({ effect }) => effect === 'deny')
  const forget = denials.map(rule => `orthrus admin policy ${typedPair(realmOf(client), rule)} --forget`)
  const isAllowed = live.some(({ effect }) => effect === 'allow')
  // A client that asks for itself is told neither which service there is, nor what rule there was.
  if (scope === 'client' && !isAllowed)
    return denials.length > 0
      ? forget
      : [`an administrator runs: orthrus admin why ${localPart(client)} ${name}`]
  const add = why.service === null && scope !== 'client' ? [`orthrus admin add ${name}`] : []
  if (denials.length > 0 || !isAllowed)
    return [...add, ...forget, ...(isAllowed ? [] : allowSteps(question, why))]
  return [
    `no service has a password, so give it a key: orthrus admin remove ${name}`,
    `orthrus admin add ${name}`,
  ]
}

/** The rule that ended is renewed with all that it said; a bare one would give other tickets. */
function allowSteps({ client, service, at }: WhyQuestion, { rules }: Why): string[] {
  const ended = rules.find(({ rule, fate }) => fate === 'ended' && rule.effect === 'allow')?.rule
  if (ended === undefined) return [`orthrus admin allow ${localPart(client)} ${localPart(service)}`]
  const renew = `orthrus admin allow ${typedPair(realmOf(client), ended)} --renew --until`
  return [`${renew} ${at === null ? '7d' : formatTime(at + 7 * DAY).slice(0, 10)}`]
}

/** What gives the client more tickets by the rule that decides. */
function rateSteps({ client }: WhyQuestion, { rules, rate }: Why): string[] {
  const rule = rules.find(({ fate }) => fate === 'decides')?.rule
  if (rule === undefined || rate === null) return []
  const allow = `orthrus admin allow ${typedPair(realmOf(client), rule)}`
  const more = `${allow} --rate ${writeRate(twice(rate))}`
  return [
    ...(rate.points < POINTS_MAX ? [more, `or: ${allow} --no-rate`] : [`${allow} --no-rate`]),
    `or wait ${Math.ceil((rate.wait ?? 0) / SECOND)} s`,
  ]
}

/** The most that a rule can give in an interval. */
const POINTS_MAX = 1_000_000

function twice({ points, interval }: RuleRate): RuleRate {
  return { points: Math.min(2 * points, POINTS_MAX), interval }
}

/** What lets a request pass that the ticket's caveats refuse. */
function requestSteps(question: WhyQuestion, { rules, ticket }: Why): string[] {
  const { method, path } = question
  const rule = rules.find(({ fate }) => fate === 'decides')?.rule
  const refused = ticket?.refusal?.caveat
  if (rule === undefined || refused === undefined) return []
  const allow = `orthrus admin allow ${typedPair(realmOf(question.client), rule)}`
  if (refused === 'methods') {
    return [`${allow} --methods ${[...(rule.methods ?? []), method].join(',')}`, `or: ${allow} --no-methods`]
  }
  const [prefix = '/'] = path?.split('?') ?? []
  return [`${allow} --paths ${[...(rule.paths ?? []), prefix].join(',')}`, `or: ${allow} --no-paths`]
}

/** The shell must not take `*` for the names of files. */
export function typedPair(
  realm: RealmName,
  { client, service }: Pick<PolicyRule, 'client' | 'service'>,
): string {
  return [client, service]
    .map(pattern => shortPattern(realm, pattern))
    .map(pattern => (pattern.includes('*') ? `'${pattern}'` : pattern))
    .join(' ')
}
