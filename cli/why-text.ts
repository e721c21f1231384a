import { ruleObject } from '../shared/administration/rule-text.js'
import type { Why, WhyParty, WhyQuestion, WhyTicket } from '../shared/administration/why.js'
import { nextSteps } from '../shared/administration/why-steps.js'
import { type AnswerText, whyAnswer } from '../shared/administration/why-text.js'
import {
  aboutPresenter,
  type ViaAnswers,
  type ViaQuestion,
  viaAnswer,
  viaObstacle,
  viaSteps,
} from '../shared/administration/why-via-text.js'
import { formatTime } from '../shared/time.js'
import { caveatFacts } from './caveat-facts.js'
import { table } from './terminal.js'

/** What `orthrus admin why` prints: pure functions of the KDC's answer. */

/** For people. */
export function whyText(question: WhyQuestion, why: Why): string {
  return answerText(whyAnswer(question, why))
}

/** The answer about a presenter, and those about both tickets. */
export function viaText(asked: ViaQuestion, answers: ViaAnswers): string {
  return [
    answerText(viaAnswer(asked, answers)),
    whyText(asked.question, answers.client),
    whyText(aboutPresenter(asked), answers.via),
  ].join('\n\n')
}

/** The same for `--json`. */
export function viaObject(asked: ViaQuestion, answers: ViaAnswers): object {
  const obstacle = viaObstacle(answers)
  return {
    via: asked.via,
    passes: obstacle === null,
    obstacle,
    next: viaSteps(asked, answers),
    tickets: [whyObject(asked.question, answers.client), whyObject(aboutPresenter(asked), answers.via)],
  }
}

/** An answer as lines below each other. */
export function answerText({ verdict, facts, steps }: AnswerText): string {
  const last = steps.map((step, i) => [i === 0 ? 'to change it' : '', step])
  return `${verdict}\n${table([...facts, ...last])}`.trimEnd()
}

/** For `--json`. */
export function whyObject(question: WhyQuestion, why: Why): object {
  const { at, code, reason, scope, client, service, rules, ticket, followers, rate, endedSince } = why
  return {
    client: question.client,
    service: question.service,
    at: formatTime(at),
    granted: code === null,
    ...(code === null ? {} : { code, reason }),
    scope,
    parties: { client: client && partyObject(client), service: service && partyObject(service) },
    rules: rules.map(({ rule, fate }) => ({ ...ruleObject(rule), fate })),
    rulesKnownSince: endedSince === null ? null : formatTime(endedSince),
    rate,
    ticket: ticket && ticketObject(ticket),
    ...requestObject(question, why),
    followers,
    next: nextSteps(question, why),
  }
}

function partyObject({ expiresAt, revokedAt, due, keys, ...party }: WhyParty): object {
  return {
    ...party,
    keys: keys.map(key => ({ ...key, createdAt: formatTime(key.createdAt) })),
    due: due === null ? null : formatTime(due),
    expiresAt: expiresAt === null ? null : formatTime(expiresAt),
    revokedAt: revokedAt === null ? null : formatTime(revokedAt),
  }
}

function ticketObject({ endTime, limits, claims, caveats, delegable, passwordBased }: WhyTicket): object {
  return {
    endsAtMost: formatTime(endTime),
    limits: Object.fromEntries(limits),
    claims: Object.fromEntries(claims),
    caveats: caveatFacts(caveats).value,
    delegable,
    passwordBased,
  }
}

function requestObject({ method, path }: WhyQuestion, { ticket }: Why): object {
  if (method === null && path === null) return {}
  const passes = ticket !== null && ticket.refusal === null
  return { request: { method, path, passes, refusal: ticket?.refusal ?? null } }
}
