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

/** The error that the work ends with, whether it throws at once or later. */
export function failureIn(work: () => unknown): Promise<unknown> {
  return failureOf((async () => work())())
}
