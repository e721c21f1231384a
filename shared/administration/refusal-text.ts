import type { WireCode } from '../errors.js'
import { shortPattern } from '../pattern.js'
import { localPart, realmOf } from '../principal.js'
import { formatTime } from '../time.js'
import type { KeptRefusal } from './refusals.js'
import { typedPair } from './why-steps.js'
import type { AnswerText } from './why-text.js'

/** What the KDC remembers of a refusal in words: pure functions of its answer. */

export function refusalAnswer(refusal: KeptRefusal): AnswerText {
  const { id, at, code, reason } = refusal
  const rule = ruleText(refusal)
  return {
    verdict: `${id}: ${subject(refusal)} was refused at ${formatTime(at)}: ${code}, ${reason}`,
    facts: rule === undefined ? [] : [['rule', rule]],
    steps: nextSteps(refusal),
  }
}

function subject({ exchange, client, claimed, service }: KeptRefusal): string {
  const who = client === null ? (claimed === null ? 'somebody' : `somebody as ${claimed}`) : localPart(client)
  if (service !== null) return `a ticket of ${who} for ${localPart(service)}`
  return exchange === 'AS' ? `a login of ${who}` : `a request of ${who}`
}

function ruleText({ client, rule }: KeptRefusal): string | undefined {
  if (rule === null || client === null) return undefined
  const [first, second] = [rule.client, rule.service].map(pattern => shortPattern(realmOf(client), pattern))
  return `${rule.effect} ${first} ${second}`
}

/** A denial of one service is explained as it is now, which says what to type. */
function nextSteps({ code, client, claimed, service, rule, hint }: KeptRefusal): string[] {
  if (service !== null) return code === 'rate_limited' ? rateSteps(client, rule) : []
  const name = client === null ? (claimed?.split('@')[0] ?? 'NAME') : localPart(client)
  const step = STEPS[code]?.(name)
  return [...(hint === null ? [] : [hint]), ...(step === undefined ? [] : [step])]
}

/** What limited is the rate of a rule. By now there may be tickets left again, so the decision of now need not say it. */
function rateSteps(client: KeptRefusal['client'], rule: KeptRefusal['rule']): string[] {
  if (client === null || rule === null) return ['wait']
  return ['wait', `or: orthrus admin allow ${typedPair(realmOf(client), rule)} --rate RATE, as 600/m`]
}

const LOG_IN = 'log in again: the client does so by itself at its next request'

const STEPS: { readonly [Code in WireCode]?: (name: string) => string } = {
  auth_failed: name =>
    `orthrus admin show ${name}, and orthrus keytab show FILE where it logs in, have its kvno`,
  clock_skew: () => 'on the machine of the client: orthrus doctor',
  principal_disabled: name => `orthrus admin enable ${name}`,
  caveat_failed: () => 'ask whoever made the credential for another',
  rate_limited: () => 'wait; then look in the log what asks that often',
  ticket_invalid: () => LOG_IN,
  ticket_expired: () => LOG_IN,
  revoked: () => LOG_IN,
  not_renewable: () => LOG_IN,
}
