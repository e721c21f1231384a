/**
 * The option `join` of `connect` and `loadService`.
 * @param name what takes the options
 * @returns the code, if one is given. @throws TypeError if there is no file in which the key could be kept
 */
export function requireJoin(
  name: string,
  { join, keytab }: { readonly join?: string | undefined; readonly keytab?: unknown },
): string | undefined {
  if (join === undefined || join === '') return undefined
  if (typeof keytab === 'string') return join
  throw new TypeError(`join of ${name} needs keytab: the path of the file in which the key is kept`)
}
