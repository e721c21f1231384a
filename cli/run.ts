import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { adminCommand } from './admin.js'
import { callCommand } from './call.js'
import { delegateCommand } from './delegate.js'
import { getCommand } from './get.js'
import { initCommand } from './init.js'
import { inspectCommand } from './inspect.js'
import { kdcCommand } from './kdc.js'
import { EXIT, report } from './report.js'
import type { Terminal } from './terminal.js'

/** Runs one command line, without the program's name. @returns the exit code */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = programFor(terminal)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return EXIT.DONE
  } catch (error) {
    return report(error, args.includes('--json'), terminal)
  }
}

function programFor(terminal: Terminal): Command {
  const program = new Command('orthrus')
    .description('Mutual authentication between services from symmetric cryptography alone.')
    .version(version(), '-V, --version')
    .helpCommand(false)
    .showHelpAfterError('(orthrus --help tells more)')
  program.addCommand(initCommand(terminal))
  program.addCommand(kdcCommand(terminal))
  program.addCommand(adminCommand(terminal))
  program.addCommand(getCommand(terminal))
  program.addCommand(callCommand(terminal))
  program.addCommand(delegateCommand(terminal))
  program.addCommand(inspectCommand(terminal))
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
  }
  return program
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

function version(): string {
  // Two folders up in the package (dist/cli), one in the sources.
  for (const up of ['../../package.json', '../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // the other place
    }
  }
  return 'unknown'
}
