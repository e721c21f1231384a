import type { Value } from '../../shared/encoding/encoding.js'
import { fields } from '../../shared/encoding/fields.js'
import { malformed, OrthrusError } from '../../shared/errors.js'

/** What all records of the vault have in common: each is a list that begins with the number of its form. */
export const FORM = 1

/** Field contents are secret, so the error names only the kind of record and what is wrong with its form. */
export function decodeRecord<T>(
  what: string,
  list: readonly Value[],
  count: number,
  read: (list: readonly Value[]) => T,
): T {
  try {
    const value = fields(list, count)
    if (value[0] !== FORM) throw malformed('a different form')
    return read(value)
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new OrthrusError('unavailable', `a ${what} record has an unknown form`, {
      cause,
      hint: 'was it written by another version of orthrus?',
    })
  }
}

/** Refuses to write a record that could not be read again. @throws TypeError */
export function requireReadable(list: Value[], decode: (list: readonly Value[]) => unknown): Value[] {
  try {
    decode(list)
  } catch (cause) {
    throw new TypeError('a record that could not be read again', { cause })
  }
  return list
}
