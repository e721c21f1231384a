/** A value, or the promise of one that must be read first: what is known costs no turn of the event loop. */
export type Soon<T> = T | Promise<T>

/** What `use` makes of the value. */
export function soon<T, R>(value: Soon<T>, use: (value: T) => R): Soon<R> {
  return value instanceof Promise ? value.then(use) : use(value)
}

/** All values, once all are there. */
export function allSoon<T>(values: readonly Soon<T>[]): Soon<readonly T[]> {
  return values.some(value => value instanceof Promise) ? Promise.all(values) : (values as readonly T[])
}
