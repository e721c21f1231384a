import { Command, InvalidArgumentError } from 'commander'
import { isPlainPath } from '../../shared/ticket/caveat-path.js'
import { defaulted, parseClaim, parseDuration, parseSize, RepeatedOption } from '../arguments.js'
import { withConnection } from '../connection.js'
import type { Terminal } from '../terminal.js'
import { parsePlace } from '../tunnel/place.js'
import { withSharing } from '../tunnel/several-processes.js'
import { parseCount, parseHeaderName } from './common-options.js'
import { parseHttpPlace } from './place.js'
import type { ServeArguments } from './serve-arguments.js'

export function serveProxyCommand(terminal: Terminal): Command {
  const command = withConnection(new Command('serve'))
    .description('let requests with a ticket through to a program, tell it who asks, and prove its answers')
    .requiredOption('--listen <place>', 'where: HOST:PORT, a port of the loopback, or unix:PATH', parsePlace)
    .requiredOption(
      '--to <url>',
      'where the program listens: http://HOST:PORT, https://HOST or unix:PATH',
      text => parseHttpPlace(text, parsePlace),
    )
    .option('--claim <name=value>', 'let in tickets with this claim alone; may be repeated', parseClaim)
    .addOption(
      defaulted(
        '--header-prefix <prefix>',
        'how the headers begin that tell who asks',
        'x-orthrus-',
        parsePrefix,
      ),
    )
    .addOption(
      new RepeatedOption(
        '--strip <name>',
        'keep this header of requests from the program too',
        parseHeaderName,
      ),
    )
    .addOption(
      new RepeatedOption(
        '--open-path <path>',
        'let ANYBODY get this one path, such as /healthz',
        parseOpenPath,
      ),
    )
  return withLimits(withSharing(withFiles(command))).action(async (options: ServeArguments) => {
    const { runServe } = await import('./run-serve.js')
    await runServe(terminal, options)
  })
}

function withFiles(command: Command): Command {
  return command
    .option(
      '--assertion-key <file>',
      'sign the headers, for a program on another machine (64 hex digits: openssl rand -hex 32)',
    )
    .option(
      '--allow-readable-assertion-key',
      'accept an --assertion-key that others can read, as containers mount secrets',
    )
    .option('--state <file>', 'what an orderly end leaves here lets the next start accept at once')
    .option('--without-revocations', 'do not follow the KDC: a ticket that was revoked is good until it ends')
}

function withLimits(command: Command): Command {
  return command
    .addOption(
      defaulted('--max-body <size>', 'the largest body of a request that is not sealed', '1M', parseSize),
    )
    .addOption(
      defaulted(
        '--max-response <size>',
        'the largest answer to a client that takes it whole',
        '8M',
        parseSize,
      ),
    )
    .addOption(
      defaulted(
        '--upstream-connections <number>',
        'how many requests the program gets at once',
        '256',
        parseCount,
      ),
    )
    .option(
      '--upstream-connections-per-client <number>',
      'how many of them one client may have, by default half',
      parseCount,
    )
    .addOption(
      defaulted('--websockets <number>', 'how many may be open; 0 passes none on', '1000', parseWebSockets),
    )
    .addOption(
      defaulted(
        '--websockets-per-client <number>',
        'how many of them one client may have',
        '100',
        parseCount,
      ),
    )
    .addOption(
      defaulted('--upstream-timeout <time>', 'how long the program may be silent', '60s', parseDuration),
    )
    .addOption(
      defaulted(
        '--client-timeout <time>',
        'how long a client may send nothing of a body, or take nothing of an answer',
        '60s',
        parseDuration,
      ),
    )
    .addOption(
      defaulted('--log-level <level>', 'how much of the log goes to standard error', 'info').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
}

function parseWebSockets(text: string): number {
  return text === '0' ? 0 : parseCount(text)
}

/** All headers that begin so are the proxy's, so it cannot be one that requests need for something else. */
function parsePrefix(text: string): string {
  const prefix = text.toLowerCase()
  if (/^x-(?!forwarded-)(?:[a-z0-9]+-)+$/.test(prefix) && prefix.length <= 32) return prefix
  throw new InvalidArgumentError('Write a prefix as x-orthrus-: it begins with x- and ends with -.')
}

/** Compared as it is, so there is one way to write it. */
function parseOpenPath(text: string, before: readonly string[] = []): string[] {
  if (isPlainPath(text)) return [...before, text]
  throw new InvalidArgumentError('Write a path as /healthz, as it stands in the request.')
}
