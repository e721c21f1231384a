import type { ConnectedAdministration } from '../../client/admin.js'
import { refusalAnswer } from '../../shared/administration/refusal-text.js'
import type { WhyQuestion } from '../../shared/administration/why.js'
import { type AnswerText, whyAnswer } from '../../shared/administration/why-text.js'
import { aboutPresenter, viaAnswer } from '../../shared/administration/why-via-text.js'
import { OrthrusError } from '../../shared/errors.js'
import { formatTime } from '../../shared/time.js'
import type { WhyAsked } from './question.js'

/** Asks, and puts what the KDC says into the words of `orthrus admin why`. @throws OrthrusError of the KDC */
export async function answersTo(
  administration: ConnectedAdministration,
  asked: WhyAsked,
): Promise<readonly AnswerText[]> {
  if ('question' in asked) return answersAbout(administration, asked)
  const { refusals, since } = await administration.refusals(asked.id)
  if (refusals.length === 0) throw unknownRefusal(asked.id, since)
  const answers: AnswerText[] = []
  for (const refusal of refusals) {
    answers.push(refusalAnswer(refusal))
    const { client, service } = refusal
    if (client === null || service === null) continue
    const now = await answerTo(administration, { client, service, at: null, method: null, path: null })
    answers.push({ ...now, verdict: `Now: ${now.verdict}` })
  }
  return answers
}

async function answersAbout(
  administration: ConnectedAdministration,
  { question, via }: Exclude<WhyAsked, { readonly id: string }>,
): Promise<readonly AnswerText[]> {
  if (via === null) return [await answerTo(administration, question)]
  const asked = { question, via }
  const presenter = aboutPresenter(asked)
  const [ofClient, ofVia] = await Promise.all([administration.why(question), administration.why(presenter)])
  return [
    viaAnswer(asked, { client: ofClient, via: ofVia }),
    whyAnswer(question, ofClient),
    whyAnswer(presenter, ofVia),
  ]
}

async function answerTo(administration: ConnectedAdministration, question: WhyQuestion): Promise<AnswerText> {
  return whyAnswer(question, await administration.why(question))
}

function unknownRefusal(id: string, since: number | null): OrthrusError {
  const searched =
    since === null
      ? 'it has no audit log to look in, and remembers the last ones since it started'
      : `its audit log was gone through back to ${formatTime(since)}`
  return new OrthrusError('not_authorized', `this KDC tells you of no refusal ${id}`, {
    hint: `${searched}; it tells each client its own, and knows none of another KDC`,
  })
}
