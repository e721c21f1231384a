/** The error that a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol('nothing')
  const cause = await promise.then(
    () => nothing,
    reason => reason,
  )
  if (cause === nothing) throw new Error('it was not rejected')
  return cause
}
