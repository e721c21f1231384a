import type { PolicyRule } from '../shared/administration/rule.js'
import type { Why, WhyParty, WhyQuestion } from '../shared/administration/why.js'
import { shortPattern } from '../shared/pattern.js'
import { localPart, type RealmName, realmOf } from '../shared/principal.js'

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

function policySteps(question: WhyQuestion, { rules, scope }: Why): string[] {
  const { client, service } = question
  const pair = `${localPart(client)} ${localPart(service)}`
  if (localPart(service) === 'krbtgt') return ['a TGT comes with every login: ask about another service']
  const denials = rules.map(({ rule }) => rule).filter(({ effect }) => effect === 'deny')
  const forget = denials.map(
    rule => `orthrus admin policy ${typedPair(realmOf(question.client), rule)} --forget`,
  )
  const isAllowed = rules.some(({ rule }) => rule.effect === 'allow')
  if (denials.length > 0)
    return isAllowed || scope === 'client' ? forget : [...forget, `orthrus admin allow ${pair}`]
  if (!isAllowed) return [`orthrus admin allow ${pair}`]
  const name = localPart(service)
  return [
    `no service has a password, so give it a key: orthrus admin remove ${name}`,
    `orthrus admin add ${name}`,
  ]
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
