import { CommanderError } from 'commander'
import { OrthrusError } from '../shared/errors.js'
import { CommandFailed } from './failure.js'
import type { Terminal } from './terminal.js'

/** Exit codes: done, refused or failed, wrong usage. */
export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2 } as const

/** Tells what went wrong, on standard error. @returns the exit code that says so */
export function report(error: unknown, json: boolean, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE
  if (error instanceof CommandFailed && error.message === '') return EXIT.FAILED
  if (json) terminal.err(`${JSON.stringify({ error: describe(error) })}\n`)
  else terminal.err(`orthrus: ${describe(error).message}\n`)
  return error instanceof TypeError ? EXIT.USAGE : EXIT.FAILED
}

function describe(error: unknown): { message: string } {
  if (error instanceof OrthrusError) return error.toJSON() as { message: string }
  return { message: error instanceof Error ? error.message : String(error) }
}
