import type { Command } from 'commander'
import { nearestOf } from '../shared/options.js'

/** How much of an unknown command is shown, characters. */
const SHOWN_MAX = 40

/**
 * Prepares the words of a command line for the parser: `help get` becomes `get --help`.
 * @throws TypeError for an unknown word in the place of a command, whatever comes after it
 */
export function commandWords(program: Command, args: readonly string[]): string[] {
  const path: string[] = []
  let command = program
  for (const [i, word] of args.entries()) {
    if (command.commands.length === 0) break
    if (word === '--help' || word === '-h') continue
    if (word.startsWith('-')) break
    if (word === 'help') return commandWords(program, [...path, ...args.slice(i + 1), '--help'])
    const next = command.commands.find(each => each.name() === word)
    // A command that has arguments too takes the word for one of them.
    if (next === undefined && command.registeredArguments.length > 0) break
    if (next === undefined) throw unknownCommand(program, command, word)
    command = next
    path.push(word)
  }
  return [...args]
}

/** What people type who know what they want, and not what it is called. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['forget', 'orthrus admin policy --forget CLIENT SERVICE'],
])

function unknownCommand(program: Command, command: Command, word: string): TypeError {
  const meant = commandMeant(program, command, word)
  const typed = OTHER_NAMES.get(word) ?? (meant === undefined ? undefined : pathOf(meant))
  const names = command.commands.map(each => each.name()).join(', ')
  const advice = typed === undefined ? `it has ${names}` : `did you mean: ${typed}?`
  const path = pathOf(command)
  return new TypeError(
    `unknown command ${JSON.stringify(word.slice(0, SHOWN_MAX))} of ${path}; ${advice} (${path} --help tells more)`,
  )
}

/** The same word in another place, such as `add` without `admin`, is preferred to a similar word. */
function commandMeant(program: Command, command: Command, word: string): Command | undefined {
  const all = allCommands(program).filter(each => each.commands.length === 0 || each.parent === command)
  const nearest = (among: readonly Command[]) => {
    const name = nearestOf(
      word,
      among.map(each => each.name()),
    )
    return among.find(each => each.name() === name)
  }
  return all.find(each => each.name() === word) ?? nearest(command.commands) ?? nearest(all)
}

/** A command and all its subcommands. */
export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)]
}

/** As a user types it: `orthrus admin add`. */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}
