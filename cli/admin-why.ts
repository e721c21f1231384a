import { Command, InvalidArgumentError } from 'commander'
import type { WhyQuestion } from '../shared/administration/why.js'
import { principalIn } from '../shared/principal.js'
import { parseInstant } from './arguments.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { answer, type Terminal } from './terminal.js'
import { whyObject, whyText } from './why-text.js'

interface WhyOptions extends ConnectionOptions {
  readonly at?: number
  readonly method?: string
  readonly path?: string
}

export function whyCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('why'))
    .description('say what the KDC would decide if CLIENT asked for a ticket for SERVICE now, and why')
    .summary('say why a client gets a ticket, or none')
    .argument('<client>', 'a name')
    .argument('<service>', 'a name')
    .option('--at <time>', 'decide for another time, as 2027-01-31T12:00:00Z', parseInstant)
    .option(
      '--method <method>',
      'whether such a request passes the caveats of the ticket, as GET',
      parseMethod,
    )
    .option('--path <path>', 'the same for its path, as /orders/7', parsePath)
    .addHelpText('after', HELP)
    .action((client: string, service: string, options: WhyOptions) =>
      why(terminal, [client, service], options),
    )
}

const HELP = `
Administrators may ask for everyone, and a principal for itself: orthrus admin why web orders --keytab web.keytab
Nothing is changed, and no ticket is issued. The records are those of now, whatever --at says.`

async function why(
  terminal: Terminal,
  [client, service]: readonly [client: string, service: string],
  options: WhyOptions,
): Promise<void> {
  await withAdministration(terminal, options, async (administration, { realm }) => {
    const question: WhyQuestion = {
      client: principalIn(realm, client),
      service: principalIn(realm, service),
      at: options.at ?? null,
      method: options.method ?? null,
      path: options.path ?? null,
    }
    const found = await administration.why(question)
    answer(terminal, options, whyObject(question, found), whyText(question, found))
  })
}

function parseMethod(text: string): string {
  if (/^[A-Z][A-Z-]{0,31}$/.test(text)) return text
  throw new InvalidArgumentError('Write a method in upper case, as GET.')
}

function parsePath(text: string): string {
  if (/^\/[!-~]*$/.test(text)) return text
  throw new InvalidArgumentError('Write a path as the service sees it, as /orders/7.')
}
