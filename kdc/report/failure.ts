/** An error as text. Other properties of the error stay out of events and logs. */
export interface Failure {
  readonly name: string
  readonly message: string
  /** A code of the platform, such as `ENOSPC`, or of Orthrus. */
  readonly code?: string
  readonly stack?: string
  readonly cause?: Failure
}

/** The longest chain of causes that is described. */
const CAUSES_MAX = 3

/** Describes a value that was thrown. */
export function describeFailure(thrown: unknown, causes = CAUSES_MAX): Failure {
  if (typeof thrown === 'string') return { name: 'string', message: thrown }
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: 'not an error' }
  const { name, message, stack, cause } = thrown
  const code = 'code' in thrown ? thrown.code : undefined
  return {
    name,
    message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined || causes === 0 ? {} : { cause: describeFailure(cause, causes - 1) }),
  }
}
