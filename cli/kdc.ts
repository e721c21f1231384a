import { Command, InvalidArgumentError } from 'commander'
import { DEFAULT_LIMITS } from '../kdc/limits/defaults.js'
import type { RunningKdc } from '../kdc/main.js'
import { TrustedProxies } from '../kdc/transport/trusted-proxies.js'
import { defaulted, parseListen, parseOrigin } from './arguments.js'
import { requireRealm } from './data-folder.js'
import { DEFAULT_DATA, DEFAULT_LISTEN } from './defaults.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeyFor } from './master-key.js'
import { answer, type Terminal } from './terminal.js'

const LEVELS = ['debug', 'info', 'warn', 'error']

interface KdcOptions extends MasterKeyArguments {
  readonly listen: { readonly host: string; readonly port: number }
  readonly allowOrigin?: string[]
  readonly trustedProxy?: string[]
  readonly connections: number
  readonly logLevel: string
  readonly json?: boolean
}

/**
 * `orthrus kdc`: runs until SIGTERM or SIGINT. Then it accepts nothing more, answers what is under way, and ends within
 * seconds. A second signal changes nothing: Ctrl-C under `npm run` sends two. SIGHUP does not end it; a terminal that
 * closes sends that, and so does a tool that wants a log reopened.
 */
export function kdcCommand(terminal: Terminal): Command {
  const command = new Command('kdc')
    .description('run the KDC of a realm')
    .addOption(defaulted('--data <dir>', 'the folder that "orthrus init" made', DEFAULT_DATA))
    .addOption(
      defaulted(
        '--listen <host:port>',
        'where to listen; port 0 takes any that is free',
        DEFAULT_LISTEN,
        parseListen,
      ),
    )
  return addMasterKeyOptions(command)
    .option('--allow-origin <origin>', 'let pages of this origin connect; may be repeated', parseOrigin)
    .option(
      '--trusted-proxy <cidr>',
      'count by what this proxy or network of proxies says in X-Forwarded-For or Forwarded; may be repeated',
      parseTrustedProxy,
    )
    .addOption(
      defaulted(
        '--connections <number>',
        'how many may be open; three quarters of them are for those that proved a key, such as services that follow',
        String(DEFAULT_LIMITS.connections),
        parseConnections,
      ),
    )
    .addOption(
      defaulted('--log-level <level>', 'how much of the log goes to standard error', 'info').choices(LEVELS),
    )
    .option('--json', 'say in JSON where it listens')
    .action((options: KdcOptions) => serve(terminal, options))
}

/** Each is a file that the process has open, of which Linux lets one process have about a million. */
function parseConnections(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) {
    throw new InvalidArgumentError('Write a number of connections, as 16000, below a million.')
  }
  return Number(text)
}

/** May be given several times. */
function parseTrustedProxy(text: string, before: readonly string[] = []): string[] {
  try {
    new TrustedProxies([text])
  } catch (cause) {
    const isTooWide = cause instanceof TypeError && cause.message.includes('too wide')
    throw new InvalidArgumentError(
      isTooWide ? `${cause.message}.` : 'Write an address or a network as 10.0.0.0/8.',
    )
  }
  return [...before, text]
}

async function serve(terminal: Terminal, options: KdcOptions): Promise<void> {
  await requireRealm(options.data)
  const { startKdcLog } = await import('./kdc-log.js')
  const { startKdc } = await import('../kdc/main.js')
  const masterKey = await masterKeyFor(options, terminal.env)
  const { logger, end } = startKdcLog(options.logLevel)
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  })
  process.on('SIGHUP', signal => logger.warn({ signal }, 'the KDC goes on: SIGTERM ends it'))
  const kdc: RunningKdc = await startKdc({
    dataDirectory: options.data,
    masterKey,
    listen: options.listen,
    allowedOrigins: options.allowOrigin ?? [],
    trustedProxies: options.trustedProxy ?? [],
    limits: { connections: options.connections },
    logger,
  })
  answer(
    terminal,
    options,
    { realm: kdc.realm, url: kdc.url },
    `the KDC of ${kdc.realm} listens on ${kdc.url}`,
  )
  await stopped
  await kdc.close()
  masterKey.erase()
  await end()
}
