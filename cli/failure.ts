/** Exit codes: done, refused or failed, wrong usage; of `admin list --due`, that keys are due, and of
 * `admin policy diff`, that there is a difference; by Ctrl-C, as shells have it. */
export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2, DUE: 3, DIFFERS: 3, INTERRUPTED: 130 } as const

/**
 * Thrown when scripts should see the outcome of a command as a failure. It has no message if the output says it
 * already.
 */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: number

  constructor(message = '', options: { readonly cause?: unknown; readonly exitCode?: number } = {}) {
    const { exitCode = EXIT.FAILED, ...rest } = options
    super(message, rest)
    this.exitCode = exitCode
  }
}
