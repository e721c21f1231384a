import { localPart, type Principal, realmOf } from '../principal.js'
import type { Why, WhyQuestion } from './why.js'
import { nextSteps, typedPair } from './why-steps.js'
import { type AnswerText, requestText } from './why-text.js'

/**
 * Whether a principal may present the client's ticket in its name (docs/protocol.md section 8). It proves both tickets, so this is put
 * together from two answers of the KDC: what it would decide for the client, and what for the presenter.
 */

export interface ViaQuestion {
  /** About the client. */
  readonly question: WhyQuestion
  readonly via: Principal
}

export interface ViaAnswers {
  readonly client: Why
  readonly via: Why
}

/** What stands in the way. */
export type ViaObstacle =
  | 'no ticket of the client'
  | 'no ticket of the presenter'
  | 'not delegable'
  | 'caveat of the client'
  | 'caveat of the presenter'

/** The question about the presenter: of its own ticket for the service, and of the same request. */
export function aboutPresenter({ question, via }: ViaQuestion): WhyQuestion {
  if (via === question.client)
    throw new TypeError(`${localPart(via)} presents its own ticket: leave out who presents it`)
  return { ...question, client: via }
}

/** The first thing that is in the way; null if the service takes the request as far as tickets decide. */
export function viaObstacle({ client, via }: ViaAnswers): ViaObstacle | null {
  if (client.ticket === null) return 'no ticket of the client'
  if (via.ticket === null) return 'no ticket of the presenter'
  if (!client.ticket.delegable) return 'not delegable'
  // In the order of the service, which looks at the presenter's ticket first.
  if (via.ticket.refusal !== null) return 'caveat of the presenter'
  return client.ticket.refusal === null ? null : 'caveat of the client'
}

/** What to type to change it. */
export function viaSteps(asked: ViaQuestion, answers: ViaAnswers): string[] {
  const { question } = asked
  switch (viaObstacle(answers)) {
    case null:
      return []
    case 'not delegable':
      return delegableSteps(question, answers.client)
    case 'no ticket of the presenter':
    case 'caveat of the presenter':
      return nextSteps(aboutPresenter(asked), answers.via)
    case 'no ticket of the client':
    case 'caveat of the client':
      return nextSteps(question, answers.client)
  }
}

/** The rule that decides is amended: a closer one would give other tickets. */
function delegableSteps({ client }: WhyQuestion, { rules }: Why): string[] {
  const rule = rules.find(({ fate }) => fate === 'decides')?.rule
  return rule === undefined ? [] : [`orthrus admin allow ${typedPair(realmOf(client), rule)} --delegable`]
}

/** The answer in a sentence, without the facts of either: they stand in the answers about each. */
export function viaAnswer(asked: ViaQuestion, answers: ViaAnswers): AnswerText {
  return { verdict: verdict(asked, answers), facts: [], steps: viaSteps(asked, answers) }
}

function verdict({ question, via: presenter }: ViaQuestion, answers: ViaAnswers): string {
  const [client, service, via] = [question.client, question.service, presenter].map(localPart)
  const request = requestText(question) || 'what it asks'
  const cannot = `${via} cannot ask ${service} in the name of ${client}`
  switch (viaObstacle(answers)) {
    case 'no ticket of the client':
      return `${cannot}: ${client} gets no ticket for ${service} to hand on`
    case 'no ticket of the presenter':
      return `${cannot}: it has to prove itself, and gets no ticket of its own for ${service}`
    case 'not delegable':
      return `${cannot}: tickets of ${client} for ${service} may not be handed on (delegation_invalid)`
    case 'caveat of the client':
      return `${cannot} for ${request}: of the ticket of ${client}, ${answers.client.ticket?.refusal?.reason}`
    case 'caveat of the presenter':
      return `${cannot} for ${request}: of its own ticket, ${answers.via.ticket?.refusal?.reason}`
    case null:
      return `${via} may ask ${service} for ${request} in the name of ${client}, if ${client} hands it a ticket that names it and adds no caveat that is in the way`
  }
}
