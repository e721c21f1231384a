import { Command, InvalidArgumentError } from 'commander'
import { defaulted, parseDuration, parseSize, RepeatedOption } from '../arguments.js'
import { withIdentity } from '../connection.js'
import type { Terminal } from '../terminal.js'
import { parsePlace } from '../tunnel/place.js'
import { withUsers } from '../tunnel/user-rule.js'
import type { CallArguments, Mapping } from './call-arguments.js'
import { parseCount, parseHeaderName } from './common-options.js'
import { parseHttpOrigin } from './place.js'

export function callProxyCommand(terminal: Terminal): Command {
  const command = withIdentity(new Command('call'))
    .description('make the requests of programs on this machine, and give back what services have proved')
    .requiredOption('--listen <place>', 'where: 127.0.0.1:PORT, PORT, or unix:PATH', parsePlace)
    .option('-s, --service <name>', 'the service that must answer, at --to')
    .option('--to <url>', 'where it listens, as http://10.0.0.7:8080', parseHttpOrigin)
    .addOption(
      new RepeatedOption(
        '--map <host=service@url>',
        'the service for requests to this host, as orders.local=orders@http://10.0.0.7:8080',
        parseMapping as never,
      ),
    )
    .addOption(
      new RepeatedOption('--host <name>', 'another name by which programs reach this proxy', parseHost),
    )
  withUsers(command).option(
    '--allow-other-machines',
    'let whoever reaches --listen over the network act as this principal',
  )
  return withLimits(command).action(async (options: CallArguments) => {
    const { runCall } = await import('./run-call.js')
    await runCall(terminal, options)
  })
}

function withLimits(command: Command): Command {
  return command
    .addOption(
      new RepeatedOption('--strip <name>', 'do not send on this header of programs', parseHeaderName),
    )
    .option('--unsealed', 'send bodies and take answers in plain text, each kept until it is whole')
    .addOption(defaulted('--max-body <size>', 'the largest body that is sent unsealed', '8M', parseSize))
    .addOption(
      defaulted('--max-response <size>', 'the largest answer that is taken unsealed', '8M', parseSize),
    )
    .addOption(
      defaulted('--connections <number>', 'how many requests go to one service at once', '256', parseCount),
    )
    .addOption(defaulted('--timeout <time>', 'how long a service may be silent', '60s', parseDuration))
    .addOption(
      defaulted('--log-level <level>', 'how much of the log goes to standard error', 'info').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
}

function parseMapping(text: string, before: readonly Mapping[] = []): Mapping[] {
  const [, host, service, url] = /^([^=@\s]+)=([^@\s]+(?:@[^@/:\s]+)?)@(https?:\/\/\S+)$/i.exec(text) ?? []
  if (host === undefined || service === undefined || url === undefined)
    throw new InvalidArgumentError('Write a mapping as orders.local=orders@http://10.0.0.7:8080.')
  return [...before, { host: hostIn(host), service, to: parseHttpOrigin(url) }]
}

function parseHost(text: string, before: readonly string[] = []): string[] {
  if (text.includes(':')) throw new InvalidArgumentError('Write a name without a port, as gateway.local.')
  return [...before, hostIn(text)]
}

/** As `Host` has it, in lower case. */
function hostIn(text: string): string {
  const host = text.toLowerCase()
  if (/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/.test(host)) return host
  throw new InvalidArgumentError('Write a host as orders.local, or orders.local:8080.')
}
