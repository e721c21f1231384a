/** An error as text: whatever else hangs on it stays out of events and logs. */
export interface Failure {
  readonly name: string
  readonly message: string
  /** Of the platform, as `ENOSPC`, or of Orthrus. */
  readonly code?: string
  readonly stack?: string
  readonly cause?: Failure
}

/** How many causes behind one another are told. */
const CAUSES_MAX = 3

/** What can be told of a value that was thrown. */
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
