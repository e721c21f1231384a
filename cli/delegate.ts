import { Command } from 'commander'
import type { Realm } from '../client/connect.js'
import type { Attenuation } from '../client/ticket/attenuation.js'
import type { Ticket } from '../client/ticket/ticket.js'
import { parseDuration, parseList, parseMethods } from './arguments.js'
import { type ConnectionOptions, withLogin, withRealm } from './connection.js'
import { answer, type Terminal } from './terminal.js'

interface DelegateOptions extends ConnectionOptions {
  readonly to?: string
  readonly anyone?: boolean
  readonly tgt?: boolean
  readonly expires?: number
  readonly methods?: string[]
  readonly paths?: string[]
  readonly claims?: string[]
  readonly closed?: boolean
}

/** `orthrus delegate`: prints a credential, which is a secret, and nothing else on standard output. */
export function delegateCommand(terminal: Terminal): Command {
  return withLogin(new Command('delegate'))
    .description('make a credential to hand on: a ticket cut down, for a delegate by name')
    .argument('<service...>', 'the service; several with --tgt')
    .option('--to <name>', 'the delegate, who presents it beside a ticket of its own')
    .option('--anyone', 'in place of --to: good for whoever has it')
    .option('--tgt', 'from the TGT: it gets tickets for these services (only with --anyone)')
    .option('--expires <time>', 'good for so long, as 5m', parseDuration)
    .option('--methods <list>', 'HTTP methods, as GET,HEAD', parseMethods)
    .option('--paths <list>', 'path prefixes, as /a,/b', parseList)
    .option('--claims <list>', 'the claims that the service still sees', parseList)
    .option('--closed', 'it cannot be cut down further')
    .action((services: string[], options: DelegateOptions) => delegate(terminal, services, options))
}

async function delegate(terminal: Terminal, services: string[], options: DelegateOptions): Promise<void> {
  requireHolder(services, options)
  await withRealm(terminal, options, async realm => {
    const whole = await ticketFor(realm, services, options)
    const ticket = whole.attenuate(attenuationOf(services, options))
    const credential = ticket.credential({ closed: options.closed === true })
    const { client, service, endTime, caveats } = ticket
    answer(terminal, options, { credential, client, service, endTime, caveats }, credential)
  })
}

function requireHolder(services: readonly string[], { to, anyone, tgt }: DelegateOptions): void {
  if ((to === undefined) === (anyone !== true)) {
    throw new TypeError('say who may use it: --to NAME, or --anyone for whoever has it')
  }
  if (tgt === true && anyone !== true)
    throw new TypeError('--tgt goes with --anyone: a TGT names no delegate')
  if (tgt !== true && services.length !== 1) throw new TypeError('name one service, or several with --tgt')
}

function ticketFor(realm: Realm, services: readonly string[], { tgt }: DelegateOptions): Promise<Ticket> {
  return tgt === true ? realm.getTgt() : realm.getServiceTicket(services[0] as string)
}

function attenuationOf(services: readonly string[], options: DelegateOptions): Attenuation {
  const { to, tgt, expires, methods, paths, claims } = options
  return {
    ...(tgt === true ? { services } : {}),
    ...(expires === undefined ? {} : { expires: `${expires / 1000}s` as const }),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
    ...(claims === undefined ? {} : { claims }),
    ...(to === undefined ? {} : { to }),
    // What names nobody must at least end.
    ...(to === undefined && expires === undefined ? { expires: '5m' as const } : {}),
  }
}
