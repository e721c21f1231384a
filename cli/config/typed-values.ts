import type { Command } from 'commander'

/** What was typed for each option, as text: the parser keeps only what it made of it. */
export class TypedValues {
  readonly #texts = new Map<string, string[]>()

  /** Listens to all options that the command has so far. */
  constructor(command: Command) {
    for (const option of command.options) {
      const name = option.attributeName()
      command.on(`option:${option.name()}`, (text: string | null | undefined) => {
        if (typeof text === 'string') this.#texts.set(name, [...(this.#texts.get(name) ?? []), text])
      })
    }
  }

  /** @param name of the option, as commander has it. @returns each time that it was given */
  of(name: string): readonly string[] {
    return this.#texts.get(name) ?? []
  }
}
