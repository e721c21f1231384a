import type { Command, Option } from 'commander'
import { allCommands, pathOf } from '../command-words.js'

/** What a shell can complete of the command line: a plain copy of the commands, for the scripts of three shells. */

/** What follows an option, or stands in the place of an argument. */
export type CompletedValue =
  /** One of these words. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  /** Something that a shell cannot know. */
  | { readonly kind: 'other' }

export interface CompletedOption {
  /** `--keytab`, and `-s` if there is a short form. */
  readonly names: readonly string[]
  readonly description: string
  /** Undefined for a flag, which takes none. */
  readonly value: CompletedValue | undefined
}

export interface CompletedCommand {
  /** `orthrus admin add` */
  readonly path: string
  /** Subcommands, by name. */
  readonly commands: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly CompletedOption[]
  readonly values: readonly CompletedValue[]
}

/** In the order of the help, the program first. */
export function completedCommands(program: Command): CompletedCommand[] {
  return allCommands(program).map(command => ({
    path: pathOf(command),
    commands: command.commands.map(each => ({ name: each.name(), description: line(each.description()) })),
    options: [...optionsOf(command), HELP],
    values: command.registeredArguments.map(each => completedValue(each.argChoices, each.name())),
  }))
}

const HELP: CompletedOption = { names: ['--help', '-h'], description: 'say what it does', value: undefined }

function optionsOf(command: Command): CompletedOption[] {
  return command.options.filter(({ hidden }) => !hidden).map(optionOf)
}

function optionOf({
  long,
  short,
  description,
  flags,
  argChoices,
  required,
  optional,
}: Option): CompletedOption {
  const [, named = ''] = /[<[]([^>\]]+)/.exec(flags) ?? []
  return {
    names: [long, short].filter(name => name !== undefined && name !== null),
    description: line(description),
    value: required || optional ? completedValue(argChoices, named) : undefined,
  }
}

/** Names of arguments such as `file`, `file-or-text` and `dir`. */
const FILE = /^(?:file|dir|folder|keytab)(?:s|-|$)|-file$/

function completedValue(choices: readonly string[] | undefined, name: string): CompletedValue {
  if (choices !== undefined) return { kind: 'words', words: choices }
  return { kind: FILE.test(name) ? 'file' : 'other' }
}

function line(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
