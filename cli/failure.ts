/**
 * Thrown when scripts should see the outcome of a command as a failure. It has no message if the output says it
 * already.
 */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}
