import type { Administration } from '../client/channel/administration.js'
import type { KeptRefusal } from '../shared/administration/refusals.js'
import type { WhyQuestion } from '../shared/administration/why.js'
import { OrthrusError } from '../shared/errors.js'
import { formatTime } from '../shared/time.js'
import { type ConnectionOptions, withAdministration } from './connection.js'
import { answer, type Terminal } from './terminal.js'

/** What was refused under an id, and what the KDC would decide about each of its pairs now. */
interface Told {
  readonly value: object
  readonly text: string
}

/** What one KDC said. */
interface Answer {
  readonly kdc: string
  readonly told: readonly Told[]
  /** What to say of it if nobody knows the refusal. */
  readonly searched: string
}

/**
 * `orthrus admin why --id`. A refusal is known to the KDC that refused alone, so all that the command knows of are asked
 * at once, each by itself.
 * @throws OrthrusError `not_authorized` if none tells of it
 */
export async function whyRefused(terminal: Terminal, id: string, options: ConnectionOptions): Promise<void> {
  const answers = await withAdministration(terminal, options, async (administration, _, urls) => {
    const [kdc = ''] = urls
    if (urls.length === 1) return [await askOne(administration, kdc, id, false)]
    return await Promise.all(urls.map(url => askAlone(terminal, id, url, options)))
  })
  const told = answers.flatMap(({ told }) => told)
  if (told.length === 0) throw notTold(id, answers)
  answer(
    terminal,
    options,
    { refusals: told.map(({ value }) => value) },
    told.map(({ text }) => text).join('\n\n'),
  )
}

/** One that cannot be reached must not hide what another one knows. */
async function askAlone(
  terminal: Terminal,
  id: string,
  kdc: string,
  options: ConnectionOptions,
): Promise<Answer> {
  try {
    return await withAdministration(terminal, { ...options, kdc: [kdc] }, administration =>
      askOne(administration, kdc, id, true),
    )
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    return { kdc, told: [], searched: `it did not answer: ${cause.message}` }
  }
}

/** @param isOneOfSeveral whether what it tells is to say which KDC that is */
async function askOne(
  administration: Administration,
  kdc: string,
  id: string,
  isOneOfSeveral: boolean,
): Promise<Answer> {
  const { refusals, since } = await administration.refusals(id)
  const where = isOneOfSeveral ? kdc : undefined
  return {
    kdc,
    told: await Promise.all(refusals.map(refusal => withPresent(administration, refusal, where))),
    searched:
      since === null
        ? 'it has no audit log to look in, and remembers the last ones since it started'
        : `its audit log was gone through back to ${formatTime(since)}`,
  }
}

async function withPresent(
  administration: Administration,
  refusal: KeptRefusal,
  kdc: string | undefined,
): Promise<Told> {
  const { client, service } = refusal
  const [{ refusalObject, refusalText }, { whyObject, whyText }] = await Promise.all([
    import('./refusal-text.js'),
    import('./why-text.js'),
  ])
  const value = { ...refusalObject(refusal), ...(kdc === undefined ? {} : { kdc }) }
  const text = refusalText(refusal, kdc)
  if (client === null || service === null) return { value, text }
  const question: WhyQuestion = { client, service, at: null, method: null, path: null }
  const now = await administration.why(question)
  return {
    value: { ...value, now: whyObject(question, now) },
    text: `${text}\nNow: ${whyText(question, now)}`,
  }
}

function notTold(id: string, answers: readonly Answer[]): OrthrusError {
  const [only, ...others] = answers
  if (others.length === 0) {
    return new OrthrusError('not_authorized', `this KDC tells you of no refusal ${id}`, {
      hint: `${only?.searched}; it tells each client its own, and knows none of another KDC: where there are several, name all with --kdc`,
    })
  }
  const said = answers.map(({ kdc, searched }) => `${kdc}: ${searched}`)
  return new OrthrusError(
    'not_authorized',
    `none of these ${said.length} KDCs tells you of a refusal ${id}`,
    {
      hint: `each tells a client its own. ${said.join('; ')}`,
    },
  )
}
