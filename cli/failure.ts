/** A command whose outcome scripts should see as a failure; without a message where its output has told it already. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}
