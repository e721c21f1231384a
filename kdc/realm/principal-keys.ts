import { OrthrusError } from '../../shared/errors.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'

/** Which of a principal's keys does what: pure functions of its record (docs/protocol.md section 12). */

/** The key that seals and that the holder logs in with; `undefined` if the principal has none at the moment. */
export function currentKey({ keys }: PrincipalRecord): StoredKey | undefined {
  return keys.find(({ state }) => state === 'current')
}

/** The staged key. It seals nothing. */
export function nextKey({ keys }: PrincipalRecord): StoredKey | undefined {
  return keys.find(({ state }) => state === 'next')
}

/** The key that opens tickets of this kvno. A retired kvno counts as an unknown one. */
export function openingKey({ keys }: PrincipalRecord, kvno: number, now: number): StoredKey | undefined {
  const key = keys.find(stored => stored.kvno === kvno)
  if (key === undefined || key.state === 'next') return undefined
  return key.endsAt !== null && now >= key.endsAt ? undefined : key
}

/** @throws OrthrusError `unavailable` */
export function requireCurrentKey(record: PrincipalRecord): StoredKey {
  const current = currentKey(record)
  if (current === undefined) throw new OrthrusError('unavailable', `${record.name} has no key`)
  return current
}

export function hasPassword(record: PrincipalRecord): boolean {
  return currentKey(record)?.fromPassword === true
}
