import { Command } from 'commander'
import { factRows, factValues } from './facts.js'
import { answer, type Terminal, table, textOf } from './terminal.js'

interface InspectOptions {
  readonly keytab?: string
  readonly allowReadableKeytab?: boolean
  readonly json?: boolean
}

/** `orthrus inspect`: what a keytab, credential, join code or ticket says. No key is ever printed. */
export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('say what a keytab, credential, join code or ticket is and, with the key, what is in it')
    .argument('<file-or-text>', 'a file, or the text itself; - reads standard input')
    .option('--keytab <file>', "the service's keytab, to open a ticket with")
    .option('--allow-readable-keytab', 'accept a keytab that others can read, as containers mount secrets')
    .option('--json', 'answer in JSON')
    .action((what: string, options: InspectOptions) => inspect(terminal, what, options))
}

async function inspect(terminal: Terminal, what: string, options: InspectOptions): Promise<void> {
  const text = await textOf(what)
  const { describe, keysIn } = await import('./inspected.js')
  const keys = options.keytab === undefined ? [] : await keysIn(options.keytab, options)
  const facts = describe({ text, path: what === '-' || what === text ? undefined : what }, keys)
  answer(terminal, options, factValues(facts), table(factRows(facts)))
}
