import type { Value } from '../../shared/encoding/encoding.js'
import { fields, numberOf } from '../../shared/encoding/fields.js'
import { malformed, OrthrusError } from '../../shared/errors.js'

/** What all records of the vault have in common: each is a list that begins with the number of its form. */

/** How to read one form: how many fields it has, and what is in them. */
export interface RecordForm<T> {
  readonly fields: number
  readonly read: (list: readonly Value[]) => T
}

/**
 * Field contents are secret, so an error names only the kind of record and what is wrong with its form.
 * @param forms all that can be read, by their numbers
 * @throws OrthrusError `unavailable` for a record of a newer form, or that has no form at all
 */
export function decodeRecord<T>(
  what: string,
  list: readonly Value[],
  forms: Readonly<Record<number, RecordForm<T>>>,
): T {
  const newest = Math.max(...Object.keys(forms).map(Number))
  try {
    const number = numberOf(list[0])
    if (number > newest) throw newerForm(what, number, newest)
    const form = forms[number]
    if (form === undefined) throw malformed('an unknown form')
    return form.read(fields([...list], form.fields))
  } catch (cause) {
    if (!(cause instanceof OrthrusError) || cause.code === 'unavailable') throw cause
    throw new OrthrusError('unavailable', `a ${what} record has an unknown form`, {
      cause,
      hint: 'restore the database from a backup',
    })
  }
}

function newerForm(what: string, number: number, newest: number): OrthrusError {
  const reason = `a ${what} record has form ${number}, and this version of orthrus reads up to form ${newest}`
  return new OrthrusError('unavailable', reason, {
    final: true,
    hint: 'a newer version of orthrus wrote this database: run that version',
  })
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
