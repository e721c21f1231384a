import { Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_AUDIT, DEFAULT_LIMITS } from '../kdc/limits/defaults.js'
import { TrustedProxies } from '../kdc/transport/trusted-proxies.js'
import { writeDuration } from '../shared/administration/policy-text.js'
import { defaulted, parseDuration, parseListen, parseOrigin, parseSize, RepeatedOption } from './arguments.js'
import { TypedValues } from './config/typed-values.js'
import { isHost } from './console/host-name.js'
import { DEFAULT_DATA, DEFAULT_LISTEN } from './defaults.js'
import { addMasterKeyOptions } from './master-key.js'
import type { KdcArguments } from './serve-kdc.js'
import { addStoreOptions } from './store-options.js'
import type { Terminal } from './terminal.js'
import { addTlsOptions } from './tls-options.js'

const LEVELS = ['debug', 'info', 'warn', 'error']

/**
 * `orthrus kdc`: runs until SIGTERM or SIGINT. Then it accepts nothing more, answers what is under way, and ends within
 * seconds. A second signal changes nothing: Ctrl-C under `npm run` sends two. SIGHUP does not end it; a terminal that
 * closes sends that, and so does a tool that wants a log reopened.
 *
 * Each option is also an entry of the file that `--config` names, and a variable (`cli/config`).
 */
export function kdcCommand(terminal: Terminal): Command {
  const command = new Command('kdc').description('run the KDC of a realm')
  addSettings(command)
    .option('--config <file>', 'a file of settings (docs/configuration.md); flags and variables count more')
    .option('--print-config', 'print the settings in force, and where each comes from, and run nothing')
    .option('--json', 'say in JSON where it listens, or print the settings in JSON')
  const typed = new TypedValues(command)
  return command.action(async () => {
    const { configure } = await import('./config/resolve.js')
    const configuration = await configure(command, typed, terminal.env)
    const options = command.opts<KdcArguments & { printConfig?: boolean }>()
    if (options.printConfig === true) {
      const { requireTogether } = await import('./settings-together.js')
      await requireTogether(options)
      const { printSettings } = await import('./config/print.js')
      return await printSettings(terminal, options, configuration)
    }
    const { serve } = await import('./serve-kdc.js')
    await serve(terminal, options, configuration)
  })
}

function addSettings(command: Command): Command {
  command
    .addOption(defaulted('--data <dir>', 'the folder that "orthrus init" made', DEFAULT_DATA))
    .addOption(
      defaulted(
        '--listen <host:port>',
        'where to listen; port 0 takes any that is free, and systemd the socket of a .socket unit',
        DEFAULT_LISTEN,
        parsePlace,
      ),
    )
  return addTlsOptions(addStoreOptions(addMasterKeyOptions(command)))
    .addOption(new RepeatedOption('--allow-origin <origin>', 'let pages of this origin connect', parseOrigin))
    .addOption(
      new RepeatedOption(
        '--trusted-proxy <cidr>',
        'count by what this proxy or network of proxies says in X-Forwarded-For or Forwarded',
        parseTrustedProxy,
      ),
    )
    .addOption(
      defaulted(
        '--connections <number>',
        'how many may be open; three quarters of them are for those that proved a key, such as services that follow',
        String(DEFAULT_LIMITS.connections),
        parseConnections,
      ),
    )
    .option(
      '--without-audit',
      'keep no audit log: nobody can find out later who got which ticket, or changed what',
    )
    .option('--audit-directory <dir>', 'where the audit log is kept, if not in audit in the data folder')
    .addOption(
      defaulted(
        '--audit-max-age <time>',
        'how old the audit log gets',
        writeDuration(DEFAULT_AUDIT.maxAge),
        parseDuration,
      ),
    )
    .addOption(
      defaulted(
        '--audit-max-size <size>',
        'how large the audit log gets, all its files together',
        `${DEFAULT_AUDIT.maxBytes / 2 ** 30}G`,
        parseSize,
      ),
    )
    .addOption(
      new Option(
        '--metrics <host:port>',
        'answer /metrics, /healthz and /readyz there, without a password; port 0 takes any that is free',
      ).argParser(parseListen),
    )
    .option('--metrics-public', 'let --metrics listen where other machines can read it')
    .addOption(
      new Option(
        '--console <host:port>',
        'serve the page for administrators there (docs/console.md); port 0 takes any that is free',
      ).argParser(parseListen),
    )
    .addOption(
      new RepeatedOption(
        '--console-host <name>',
        'a name, with or without a port, by which browsers may call the console besides its address',
        parseConsoleHost,
      ),
    )
    .option(
      '--allow-console-without-tls',
      'let --console listen without TLS where other machines reach it: behind a proxy that speaks TLS',
    )
    .addOption(
      defaulted(
        '--disk-room <size>',
        'with less room on the disk of the data folder /readyz says that the KDC is not ready',
        '64M',
        parseSize,
      ),
    )
    .addOption(
      defaulted('--log-level <level>', 'how much of the log goes to standard error', 'info').choices(LEVELS),
    )
}

/** An address, or the word for the socket that systemd opened. */
function parsePlace(text: string): KdcArguments['listen'] {
  return text === 'systemd' ? text : parseListen(text)
}

/** Each is a file that the process has open, of which Linux lets one process have about a million. */
function parseConnections(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) {
    throw new InvalidArgumentError('Write a number of connections, as 16000, below a million.')
  }
  return Number(text)
}

/** May be given several times. */
function parseConsoleHost(text: string, before: readonly string[] = []): string[] {
  if (!isHost(text))
    throw new InvalidArgumentError('Write a name or an address, as kdc.example or kdc.example:8760.')
  return [...before, text]
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
