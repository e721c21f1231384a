import { Command, InvalidArgumentError } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { WhyQuestion } from '../shared/administration/why.js'
import type { ViaQuestion } from '../shared/administration/why-via-text.js'
import { isRefusalId } from '../shared/encoding/refusal-id.js'
import { principalIn } from '../shared/principal.js'
import { parseInstant } from './arguments.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { answer, type Terminal } from './terminal.js'

interface WhyOptions extends ConnectionOptions {
  readonly at?: number
  readonly method?: string
  readonly path?: string
  readonly via?: string
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
    .option('--via <name>', 'whether this principal may present such a ticket in the name of the client')
    .option('--id <id>', 'the refusal with this id, which the error of its client and the log name', parseId)
    .addHelpText('after', HELP)
    .action((client: string | undefined, service: string | undefined, options: WhyOptions) =>
      why(terminal, [client, service], options),
    )
}

const HELP = `
--id asks every KDC of the realm that is named, since only the one that refused knows it.
Administrators may ask for everyone, and a principal for itself: orthrus admin why web orders --keytab web.keytab
--via asks about both tickets, that of CLIENT and the presenter's own; caveats that CLIENT adds are its own affair.
Nothing is changed, and no ticket is issued. The records are those of now, whatever --at says.`

async function why(
  terminal: Terminal,
  [client, service]: readonly [client: string | undefined, service: string | undefined],
  options: WhyOptions,
): Promise<void> {
  const { id, at = null, method = null, path = null, via } = options
  if (id !== undefined) {
    if (via !== undefined) throw new TypeError('--via is about a client and a service: give it without --id')
    if (client !== undefined) throw new TypeError('--id says which request it is: give no names beside it')
    const { whyRefused } = await import('./admin-why-refused.js')
    return await whyRefused(terminal, id, options)
  }
  if (client === undefined || service === undefined)
    throw new TypeError('say about whom: orthrus admin why CLIENT SERVICE, or orthrus admin why --id ID')
  await withAdministration(terminal, options, async (administration, { realm }) => {
    const names = { client: principalIn(realm, client), service: principalIn(realm, service) }
    const question: WhyQuestion = { ...names, at, method, path }
    if (via !== undefined)
      return await whyVia(terminal, { question, via: principalIn(realm, via) }, administration, options)
    const found = await administration.why(question)
    const { whyObject, whyText } = await import('./why-text.js')
    answer(terminal, options, whyObject(question, found), whyText(question, found))
  })
}

async function whyVia(
  terminal: Terminal,
  asked: ViaQuestion,
  administration: Administration,
  options: WhyOptions,
): Promise<void> {
  const { aboutPresenter } = await import('../shared/administration/why-via-text.js')
  const { viaObject, viaText } = await import('./why-text.js')
  const presenter = aboutPresenter(asked)
  const [client, via] = await Promise.all([administration.why(asked.question), administration.why(presenter)])
  answer(terminal, options, viaObject(asked, { client, via }), viaText(asked, { client, via }))
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
