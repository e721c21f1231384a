/** The options of `connect` and `loadService` that decide whether a key can be changed in its keytab. */
export interface RotationOption {
  readonly rotation?: unknown
  readonly keytab?: unknown
  readonly allowReadableKeytab?: boolean
}

/**
 * @param name what takes the options
 * @throws TypeError if the key cannot be changed in what the options give
 */
export function requireRotation(
  name: string,
  { rotation, keytab, allowReadableKeytab }: RotationOption,
): void {
  if (rotation === undefined) return
  if (rotation !== 'automatic') throw new TypeError(`rotation of ${name} is 'automatic', or left out`)
  if (typeof keytab !== 'string') {
    throw new TypeError(
      `rotation of ${name} needs the path of a keytab: a key that is given as text, or is none, cannot be changed there`,
    )
  }
  if (allowReadableKeytab === true) {
    throw new TypeError(
      `rotation and allowReadableKeytab of ${name} exclude each other: a key is changed only in a file of this user alone`,
    )
  }
}
