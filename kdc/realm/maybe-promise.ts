/** A value, or the promise of one that must be read first. A known value costs no turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>

/** Applies `use` to the value. */
export function useValue<T, R>(value: MaybePromise<T>, use: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(use) : use(value)
}

/** All values, once all are known. */
export function allValues<T>(values: readonly MaybePromise<T>[]): MaybePromise<readonly T[]> {
  return values.some(value => value instanceof Promise) ? Promise.all(values) : (values as readonly T[])
}
