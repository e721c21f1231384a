import { Command } from 'commander'
import { allCommands, commandWords } from '../../cli/command-words.js'
import { everyCommand } from '../../cli/commands.js'

/** A terminal that shows nothing. */
const TERMINAL = { out: () => true, err: () => true, env: {}, outIsTerminal: false }

/**
 * What the command of these words makes of its options, without running it.
 * @throws CommanderError as the command does, for an option that it does not have or a value that it does not take
 */
export async function optionsOf(words: readonly string[]): Promise<Record<string, unknown>> {
  const program = new Command('orthrus')
  for (const command of await everyCommand(TERMINAL)) program.addCommand(command)
  let options: Record<string, unknown> | undefined
  for (const command of allCommands(program)) {
    command
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .enablePositionalOptions()
    if (command.commands.length > 0) continue
    command.action(() => {
      options = command.opts()
    })
  }
  await program.parseAsync(commandWords(program, words), { from: 'user' })
  if (options === undefined) throw new Error(`no command was named by: ${words.join(' ')}`)
  return options
}
