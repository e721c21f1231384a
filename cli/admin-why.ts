import { Command, InvalidArgumentError } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { KeptRefusal } from '../shared/administration/refusals.js'
import type { WhyQuestion } from '../shared/administration/why.js'
import { isRefusalId } from '../shared/encoding/refusal-id.js'
import { OrthrusError } from '../shared/errors.js'
import { principalIn } from '../shared/principal.js'
import { formatTime } from '../shared/time.js'
import { parseInstant } from './arguments.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { answer, type Terminal } from './terminal.js'

interface WhyOptions extends ConnectionOptions {
  readonly at?: number
  readonly method?: string
  readonly path?: string
  readonly id?: string
}

export function whyCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('why'))
    .description(
      'say what the KDC would decide if CLIENT asked for a ticket for SERVICE now, and why; or why it refused something',
    )
    .summary('say why a client gets a ticket, or none')
    .argument('[client]', 'a name')
    .argument('[service]', 'a name')
    .option('--at <time>', 'decide for another time, as 2027-01-31T12:00:00Z', parseInstant)
    .option(
      '--method <method>',
      'whether such a request passes the caveats of the ticket, as GET',
      parseMethod,
    )
    .option('--path <path>', 'the same for its path, as /orders/7', parsePath)
    .option('--id <id>', 'the refusal with this id, which the error of its client and the log name', parseId)
    .addHelpText('after', HELP)
    .action((client: string | undefined, service: string | undefined, options: WhyOptions) =>
      why(terminal, [client, service], options),
    )
}

const HELP = `
Administrators may ask for everyone, and a principal for itself: orthrus admin why web orders --keytab web.keytab
Nothing is changed, and no ticket is issued. The records are those of now, whatever --at says.`

async function why(
  terminal: Terminal,
  [client, service]: readonly [client: string | undefined, service: string | undefined],
  options: WhyOptions,
): Promise<void> {
  const { id, at = null, method = null, path = null } = options
  if (id !== undefined) return whyRefused(terminal, id, client, options)
  if (client === undefined || service === undefined)
    throw new TypeError('say about whom: orthrus admin why CLIENT SERVICE, or orthrus admin why --id ID')
  await withAdministration(terminal, options, async (administration, { realm }) => {
    const names = { client: principalIn(realm, client), service: principalIn(realm, service) }
    const question: WhyQuestion = { ...names, at, method, path }
    const found = await administration.why(question)
    const { whyObject, whyText } = await import('./why-text.js')
    answer(terminal, options, whyObject(question, found), whyText(question, found))
  })
}

/** What was refused under an id, and what the KDC would decide about each of its pairs now. */
async function whyRefused(
  terminal: Terminal,
  id: string,
  client: string | undefined,
  options: WhyOptions,
): Promise<void> {
  if (client !== undefined) throw new TypeError('--id says which request it is: give no names beside it')
  await withAdministration(terminal, options, async administration => {
    const { refusals, since } = await administration.refusals(id)
    if (refusals.length === 0) {
      const searched =
        since === null
          ? 'it has no audit log to look in, and remembers the last ones since it started'
          : `its audit log was gone through back to ${formatTime(since)}`
      throw new OrthrusError('not_authorized', `this KDC tells you of no refusal ${id}`, {
        hint: `${searched}; it tells each client its own, and knows none of another KDC`,
      })
    }
    const told = await Promise.all(refusals.map(refusal => withPresent(administration, refusal)))
    answer(
      terminal,
      options,
      { refusals: told.map(({ value }) => value) },
      told.map(({ text }) => text).join('\n\n'),
    )
  })
}

async function withPresent(
  administration: Administration,
  refusal: KeptRefusal,
): Promise<{ readonly value: object; readonly text: string }> {
  const { client, service } = refusal
  const [{ refusalObject, refusalText }, { whyObject, whyText }] = await Promise.all([
    import('./refusal-text.js'),
    import('./why-text.js'),
  ])
  if (client === null || service === null)
    return { value: refusalObject(refusal), text: refusalText(refusal) }
  const question: WhyQuestion = { client, service, at: null, method: null, path: null }
  const now = await administration.why(question)
  return {
    value: { ...refusalObject(refusal), now: whyObject(question, now) },
    text: `${refusalText(refusal)}\nNow: ${whyText(question, now)}`,
  }
}

function parseMethod(text: string): string {
  if (/^[A-Z][A-Z-]{0,31}$/.test(text)) return text
  throw new InvalidArgumentError('Write a method in upper case, as GET.')
}

function parsePath(text: string): string {
  if (/^\/[!-~]*$/.test(text)) return text
  throw new InvalidArgumentError('Write a path as the service sees it, as /orders/7.')
}

function parseId(text: string): string {
  if (isRefusalId(text)) return text
  throw new InvalidArgumentError('Write the 12 hex digits that the error or the log names, as 3f9a0c5d7e21.')
}
