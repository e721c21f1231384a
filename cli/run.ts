import { Command } from 'commander'
import { packageVersion } from '../shared/package-version.node.js'
import { withoutSecrets } from '../shared/shown-text.js'
import { allCommands, commandWords, pathOf } from './command-words.js'
import { commandsFor, everyCommand } from './commands.js'
import { EXIT } from './failure.js'
import { report } from './report.js'
import type { Terminal } from './terminal.js'

/** Runs one command line, without the program's name. @returns the exit code */
export async function run(args: readonly string[], shown: Terminal): Promise<number> {
  // A secret given where a name, a URL or a path belongs is in the message of whatever refuses it.
  const terminal: Terminal = { ...shown, err: text => shown.err(withoutSecrets(text)) }
  const json = args.includes('--json')
  try {
    const { program, words } = await understood(args, terminal, json)
    await program.parseAsync(words, { from: 'user' })
    return EXIT.DONE
  } catch (error) {
    return report(error, json, terminal)
  }
}

const BEGINNING = `
To begin:
  orthrus init demo.example                           make a realm in ./orthrus-data
  orthrus kdc                                         run its KDC; the rest in another terminal
  orthrus admin add web orders                        register two services, each with a keytab
  orthrus admin allow web orders                      let web call orders
  orthrus get orders --keytab web.keytab              see that it works
  orthrus call URL --service orders --keytab web.keytab

orthrus COMMAND --help tells more of each.`

/** The words for the parser, and a parser that has the commands which they may mean. @throws TypeError */
async function understood(
  args: readonly string[],
  terminal: Terminal,
  json: boolean,
): Promise<{ readonly program: Command; readonly words: string[] }> {
  const some = programWith(await commandsFor(args, terminal), terminal, json)
  try {
    return { program: some, words: commandWords(some, args) }
  } catch {
    // An unknown word may resemble any of the commands.
    const program = programWith(await everyCommand(terminal), terminal, json)
    return { program, words: commandWords(program, args) }
  }
}

function programWith(commands: readonly Command[], terminal: Terminal, json: boolean): Command {
  const program = new Command('orthrus')
    .description('Mutual authentication between services from symmetric cryptography alone.')
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', BEGINNING)
    .hook('preAction', (_, command) => requireValues(command))
  for (const command of commands) program.addCommand(command)
  for (const command of allCommands(program)) {
    speakThrough(terminal, command, json)
    nameMisspelt(command)
  }
  return program
}

/** The parser tells of an option that is missing first. It may be missing because it is misspelt, which it tells then. */
function nameMisspelt(command: Command): void {
  const parse = command.parseOptions.bind(command)
  command.parseOptions = args => {
    const parsed = parse(args)
    const isMisspelt = parsed.unknown.length > 0 && command.commands.length === 0
    if (isMisspelt) for (const option of command.options) option.mandatory = false
    return parsed
  }
}

/** An empty body can be meant. An empty name of a file or a folder is a shell variable that is not set. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['data', 'dataRaw'])

/** Of an option that may be repeated, the one value that was given. */
function isEmpty(value: unknown): boolean {
  return value === '' || (Array.isArray(value) && value.length === 1 && value[0] === '')
}

/** @throws TypeError for an option with an empty value */
function requireValues(command: Command): void {
  for (const option of command.options) {
    const name = option.attributeName()
    const isBody = command.name() === 'call' && MAY_BE_EMPTY.has(name)
    if (isEmpty(command.getOptionValue(name)) && !isBody)
      throw new TypeError(`${option.long} has an empty value: is a variable of the shell not set?`)
  }
}

/** Messages of the parser have the same form as those of commands, and the usage follows each mistake. */
function speakThrough(terminal: Terminal, command: Command, json: boolean): void {
  const path = pathOf(command)
  command
    .helpCommand(false)
    // The options of a subcommand stand behind its name, and may have names that the command above it has too.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out(text),
      writeErr: text => terminal.err(text),
      // With `--json`, `report` prints it.
      outputError: (text, write) => (json ? undefined : write(text.replace(/^error: /, 'orthrus: '))),
    })
  if (!json) command.showHelpAfterError(`usage: ${path} ${command.usage()}\n(${path} --help tells more)`)
}
