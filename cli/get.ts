import { Command } from 'commander'
import type { Realm } from '../client/connect.js'
import type { ServiceTicket } from '../client/ticket/service-ticket.js'
import { typedClaim } from '../shared/administration/rule-text.js'
import { principalIn } from '../shared/principal.js'
import { printableJson } from '../shared/printable.js'
import { formatDuration } from '../shared/time.js'
import { parseDuration } from './arguments.js'
import { type ConnectionOptions, withLogin, withRealm } from './connection.js'
import { CommandFailed } from './failure.js'
import { errorObject, report } from './report.js'
import { type Terminal, table } from './terminal.js'

interface GetOptions extends ConnectionOptions {
  readonly lifetime?: number
}

/** `orthrus get`: asks for tickets and says which ones arrived. It shows that key, KDC and policy work. */
export function getCommand(terminal: Terminal): Command {
  return withLogin(new Command('get'))
    .description('get tickets for services')
    .argument('<service...>', 'names of services, short or whole')
    .option('--lifetime <time>', 'ask for tickets that end sooner, as 15m', parseDuration)
    .action((services: string[], options: GetOptions) => get(terminal, services, options))
}

async function get(terminal: Terminal, names: string[], options: GetOptions): Promise<void> {
  const wanted = options.lifetime === undefined ? {} : { lifetime: options.lifetime }
  const use = async (realm: Realm): Promise<void> => {
    const services = names.map(name => principalIn(realm.realm, name))
    const asked = services.map(service => realm.getServiceTicket(service, wanted))
    const outcomes = await Promise.allSettled(asked)
    const tickets = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const refusals = outcomes.flatMap((outcome, i) =>
      outcome.status === 'rejected' ? [{ service: services[i], cause: outcome.reason as unknown }] : [],
    )
    if (options.json === true) {
      const told = refusals.map(({ service, cause }) => ({ service, ...errorObject(cause) }))
      terminal.out(`${printableJson({ tickets: tickets.map(ticketObject), refusals: told })}\n`)
    } else {
      const text = table(tickets.map(ticketCells))
      if (text !== '') terminal.out(`${text}\n`)
      // If the KDC cannot be reached, this is the same for each service.
      const causes = new Map(refusals.map(({ cause }) => [errorObject(cause).message, cause]))
      for (const cause of causes.values()) report(cause, false, terminal)
    }
    if (refusals.length > 0) throw new CommandFailed('')
  }
  await withRealm(terminal, options, use, { services: names })
}

function ticketObject({ service, client, endTime, claims }: ServiceTicket): object {
  return { service, client, endTime, claims }
}

function ticketCells({ service, endTime, claims }: ServiceTicket): string[] {
  const granted = Object.entries(claims).flatMap(([name, value]) =>
    value === undefined ? [] : [typedClaim(name, value)],
  )
  const left = endTime - Date.now()
  const end =
    left > 0
      ? `ends in ${formatDuration(left)}`
      : `ended ${formatDuration(-left)} ago, by this machine's clock`
  return [service, end, granted.join(' ')]
}
