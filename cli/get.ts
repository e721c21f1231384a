import { Command } from 'commander'
import { formatDuration, parseDuration } from './arguments.js'
import { type ConnectionOptions, withLogin, withRealm } from './connection.js'
import { report } from './report.js'
import { answer, type Terminal, table } from './terminal.js'

interface GetOptions extends ConnectionOptions {
  readonly lifetime?: number
}

/** `orthrus get`: asks for tickets and tells what came. It shows that key, KDC and policy are as they should be. */
export function getCommand(terminal: Terminal): Command {
  return withLogin(new Command('get'))
    .description('get tickets for services')
    .argument('<service...>', 'names of services, short or whole')
    .option('--lifetime <time>', 'ask for tickets that end sooner, as 15m', parseDuration)
    .action((services: string[], options: GetOptions) => get(terminal, services, options))
}

async function get(terminal: Terminal, services: string[], options: GetOptions): Promise<void> {
  const wanted = options.lifetime === undefined ? {} : { lifetime: options.lifetime }
  await withRealm(terminal, options, async realm => {
    const outcomes = await Promise.allSettled(
      services.map(service => realm.getServiceTicket(service, wanted)),
    )
    const tickets = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const rows = tickets.map(ticket => ({
      service: ticket.service,
      client: ticket.client,
      endTime: ticket.endTime,
      claims: ticket.claims,
    }))
    const text = table(
      rows.map(({ service, endTime, claims }) => [
        service,
        `ends in ${formatDuration(endTime - Date.now())}`,
        Object.entries(claims)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
      ]),
    )
    answer(terminal, options, { tickets: rows }, text)
    const refusals = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
    const last = refusals.pop()
    // The last is thrown, and told by whoever runs commands; the others would be lost behind it.
    for (const refusal of refusals) report(refusal, options.json === true, terminal)
    if (last !== undefined) throw last
  })
}
