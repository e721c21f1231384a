import { Command, InvalidArgumentError } from 'commander'
import { defaulted, parseClaim, parseDuration, parseList, RepeatedOption } from '../arguments.js'
import { withConnection, withLogin } from '../connection.js'
import type { Terminal } from '../terminal.js'
import { parsePlace, parseTarget } from './place.js'
import type { ConnectArguments, ServeArguments } from './run-tunnel.js'
import { withSharing } from './several-processes.js'
import { withUsers } from './user-rule.js'

/**
 * `orthrus tunnel` is for programs that speak over TCP, unchanged (docs/unchanged-programs.md). Both ends run until SIGTERM or SIGINT.
 * Then they take no more connections, and wait for those that are open. A second signal changes nothing.
 */
export function tunnelCommand(terminal: Terminal): Command {
  return new Command('tunnel')
    .description('carry connections of programs that know nothing of Orthrus')
    .addCommand(serveCommand(terminal))
    .addCommand(connectCommand(terminal))
}

function serveCommand(terminal: Terminal): Command {
  const command = withConnection(new Command('serve'))
    .description(
      "the service's end: take connections of clients that have a ticket, and pass them to a server",
    )
    .requiredOption('--listen <place>', 'where: HOST:PORT, a port of the loopback, or unix:PATH', parsePlace)
    .requiredOption(
      '--to <place>',
      'the server behind: HOST:PORT, a port of the loopback, or unix:PATH',
      parseTarget,
    )
    .addOption(
      new RepeatedOption(
        '--allow <client>',
        'let in these clients alone, as web or web/*, of those to whom the KDC gives tickets',
        (text, before = []) => [...before, ...parseList(text)],
      ),
    )
    .option('--claim <name=value>', 'let in tickets with this claim alone; may be repeated', parseClaim)
    .option(
      '--proxy-protocol',
      'tell the server who its client is, by a header of the PROXY protocol, version 2',
    )
    .addOption(
      defaulted(
        '--connections-per-client <number>',
        'how many of them one client may have',
        '1000',
        parseConnections,
      ),
    )
  return withCommon(withSharing(command)).action(async (options: ServeArguments) => {
    const { runServe } = await import('./run-tunnel.js')
    await runServe(terminal, options)
  })
}

function connectCommand(terminal: Terminal): Command {
  const command = withLogin(new Command('connect'))
    .description("the client's end: take connections of programs, and carry them to a tunnel of the service")
    .requiredOption('--listen <place>', 'where: HOST:PORT, a port of the loopback, or unix:PATH', parsePlace)
    .requiredOption(
      '--to <place>',
      "the service's end: HOST:PORT, a port of the loopback, or unix:PATH",
      parseTarget,
    )
    .requiredOption('-s, --service <name>', 'the service that must answer')
    .option('--renew', 'go on with a connection under a fresh ticket, where its ticket would end it')
    .option('--listen-unprotected', 'let --listen be where other machines reach it, and act as this client')
  return withCommon(withUsers(command)).action(async (options: ConnectArguments) => {
    const { runConnect } = await import('./run-tunnel.js')
    await runConnect(terminal, options)
  })
}

function withCommon(command: Command): Command {
  return command
    .addOption(defaulted('--connections <number>', 'how many may be open', '10000', parseConnections))
    .addOption(
      defaulted(
        '--drain <time>',
        'how long open connections may go on once it is to end',
        '30s',
        parseDuration,
      ),
    )
    .option('--log', 'say on standard error who opened what; without it there are only faults')
}

/** Each takes two of the files that a process may have open. */
function parseConnections(text: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a number of connections, as 1000, below a million.')
}
