/** A command that did what was asked, with an outcome that scripts should see as a failure. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}
