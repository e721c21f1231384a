import { CommanderError } from 'commander'
import { OrthrusError } from '../shared/errors.js'
import { printableJson, printableLine } from '../shared/printable.js'
import { CommandFailed, EXIT } from './failure.js'
import type { Terminal } from './terminal.js'

/**
 * Prints what went wrong to standard error.
 * @returns the exit code for it
 */
export function report(error: unknown, json: boolean, terminal: Terminal): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.DONE
    // People have seen it from the parser already.
    if (json) terminal.err(`${printableJson({ error: { message: parserMessage(error) } })}\n`)
    return EXIT.USAGE
  }
  if (error instanceof CommandFailed && error.message === '') return error.exitCode
  const { message } = errorObject(error)
  // The messages of OpenSSL have line breaks.
  const told = json
    ? printableJson({ error: errorObject(error) })
    : `orthrus: ${printableLine(message.replace(/\s*\n\s*/g, ' '))}`
  terminal.err(`${told}\n`)
  return error instanceof TypeError ? EXIT.USAGE : EXIT.FAILED
}

function parserMessage({ message }: CommanderError): string {
  return message.replace(/^error: /, '').replaceAll('\n', ' ')
}

/** The form for `--json`. */
export function errorObject(error: unknown): { message: string } {
  const facts =
    error instanceof OrthrusError
      ? (error.toJSON() as { message: string })
      : { message: error instanceof Error ? error.message : String(error) }
  const told = Object.entries(facts).map(([name, value]) => [name, withoutPassword(value)])
  return Object.fromEntries(told) as { message: string }
}

/** A URL in an error may contain a name and a password, whatever part of the program repeats it. */
function withoutPassword(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/\/\/[^\s/]*@/g, '//') : value
}
