import type { CompletedCommand, CompletedOption } from './tree.js'

/** What the scripts of all three shells are made of. */

/** `orthrus admin`, `orthrus admin add`: the words that lead to a command. */
export function commandPaths(commands: readonly CompletedCommand[]): string[] {
  return commands.flatMap(({ path, commands: own }) => own.map(({ name }) => `${path} ${name}`))
}

/** The options that take a value, each with its command. */
export function valuedOptions(
  commands: readonly CompletedCommand[],
): { readonly at: string; readonly option: CompletedOption }[] {
  return commands.flatMap(({ path: at, options }) =>
    options.filter(({ value }) => value !== undefined).map(option => ({ at, option })),
  )
}

/** A word that bash and zsh take as it is. */
export function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A word that fish takes as it is: there a backslash means something within quotes. */
export function quotedForFish(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
