import { Readable } from 'node:stream'
import { vi } from 'vitest'
import { type Outcome, runCommand, type Surroundings } from './run-command.js'

/** A command as it is typed in a folder, run in this process: most of the time of a process goes into its start. */
export interface Typed extends Surroundings {
  readonly folder: string
  /** What comes on standard input, as from a pipe. It stands there until the test ends. */
  readonly input?: string
}

export async function runHere(
  args: readonly string[],
  { folder, input, ...surroundings }: Typed,
): Promise<Outcome> {
  const before = process.cwd()
  if (input !== undefined) {
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([input]) as typeof process.stdin)
  }
  process.chdir(folder)
  try {
    return await runCommand(args, surroundings)
  } finally {
    process.chdir(before)
  }
}
