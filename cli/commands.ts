import type { Command } from 'commander'
import type { Terminal } from './terminal.js'

/**
 * The commands, each in a module that is loaded when it is needed. What a command runs on, such as the client or the
 * KDC, is loaded when it runs: its help needs none of it. Otherwise every command would begin by loading everything.
 */

type MakeCommand = (terminal: Terminal) => Command

/** In the order of the help. */
const COMMANDS: readonly (readonly [name: string, load: () => Promise<MakeCommand>])[] = [
  ['init', async () => (await import('./init.js')).initCommand],
  ['kdc', async () => (await import('./kdc.js')).kdcCommand],
  ['admin', async () => (await import('./admin.js')).adminCommand],
  ['backup', async () => (await import('./backup.js')).backupCommand],
  ['restore', async () => (await import('./restore.js')).restoreCommand],
  ['migrate', async () => (await import('./migrate.js')).migrateCommand],
  ['check', async () => (await import('./check.js')).checkCommand],
  ['audit', async () => (await import('./audit.js')).auditCommand],
  ['policy', async () => (await import('./policy.js')).policyFileCommand],
  ['master-key', async () => (await import('./rotate-master-key.js')).masterKeyCommand],
  ['login', async () => (await import('./login.js')).loginCommand],
  ['logout', async () => (await import('./logout.js')).logoutCommand],
  ['tickets', async () => (await import('./tickets.js')).ticketsCommand],
  ['passwd', async () => (await import('./passwd.js')).passwdCommand],
  ['get', async () => (await import('./get.js')).getCommand],
  ['call', async () => (await import('./call.js')).callCommand],
  ['tunnel', async () => (await import('./tunnel/command.js')).tunnelCommand],
  ['proxy', async () => (await import('./proxy.js')).proxyCommand],
  ['delegate', async () => (await import('./delegate.js')).delegateCommand],
  ['join', async () => (await import('./join.js')).joinCommand],
  ['inspect', async () => (await import('./inspect.js')).inspectCommand],
  ['keytab', async () => (await import('./keytab.js')).keytabCommand],
  ['shell-init', loadShellInit],
  ['doctor', async () => (await import('./doctor.js')).doctorCommand],
]

async function loadShellInit(): Promise<MakeCommand> {
  const { shellInitCommand } = await import('./shell-init.js')
  return terminal => shellInitCommand(terminal, () => everyCommand(terminal))
}

/** They say all that there is to say without any command. */
const ALONE: ReadonlySet<string> = new Set(['-V', '--version'])

/** The command that a command line begins with; none if it asks for the version; otherwise all of them. */
export function commandsFor([first = '']: readonly string[], terminal: Terminal): Promise<Command[]> {
  const named = COMMANDS.filter(([name]) => name === first)
  return named.length > 0 || ALONE.has(first) ? load(named, terminal) : everyCommand(terminal)
}

export function everyCommand(terminal: Terminal): Promise<Command[]> {
  return load(COMMANDS, terminal)
}

async function load(commands: typeof COMMANDS, terminal: Terminal): Promise<Command[]> {
  const made = await Promise.all(commands.map(([, loadOne]) => loadOne()))
  return made.map(make => make(terminal))
}
