import type { RotationSchedule } from '../../shared/administration/realm.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { PasswordParameters } from '../../shared/exchange/params.js'
import { isReserved, localPart, type Principal } from '../../shared/principal.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import { currentKey } from './principal-keys.js'

/**
 * How the keys of a principal change: pure functions of its record (docs/protocol.md section 12). Each new key takes
 * the next kvno, which the name never had before. What a function leaves out is erased with the commit of its result.
 */

/**
 * Stages a key in place of one that was staged before. It seals nothing until its holder has logged in with it.
 * @param stagedBy the invitation that stages it; null for the holder
 */
export function withStagedKey(
  record: PrincipalRecord,
  key: LongTermKey,
  stagedBy: Principal | null,
  now: number,
): PrincipalRecord {
  const staged = newKey(record, key, now, { state: 'next', stagedBy })
  const keys = [staged, ...record.keys.filter(({ state }) => state !== 'next')]
  return { ...record, keys, lastKvno: staged.kvno, changedAt: now }
}

/** Makes the staged key the only one: its holder has shown that it has it. The key before it is erased. */
export function withPromotedKey(record: PrincipalRecord, staged: StoredKey, now: number): PrincipalRecord {
  const keys: StoredKey[] = [{ ...staged, state: 'current', stagedBy: null }]
  return { ...record, keys, password: null, rotationAskedAt: null, changedAt: now }
}

/** Gives the principal one fresh key, and erases all others. @param password null for a random key */
export function withOnlyKey(
  record: PrincipalRecord,
  key: LongTermKey,
  password: PasswordParameters | null,
  now: number,
): PrincipalRecord {
  const fresh = newKey(record, key, now, { fromPassword: password !== null })
  return {
    ...record,
    keys: [fresh],
    lastKvno: fresh.kvno,
    password,
    rotationAskedAt: null,
    changedAt: now,
  }
}

/**
 * Gives a principal of the KDC a fresh current key. The one before opens tickets until the last one under it has ended.
 * @param oldEndsAt when that is, milliseconds
 */
export function withFreshKey(
  record: PrincipalRecord,
  key: LongTermKey,
  now: number,
  oldEndsAt: number,
): PrincipalRecord {
  const fresh = newKey(record, key, now)
  const old = record.keys.flatMap((stored): StoredKey[] => {
    if (stored.state === 'old') return [stored]
    return stored.state === 'current' ? [{ ...stored, state: 'old', endsAt: oldEndsAt }] : []
  })
  return {
    ...record,
    keys: [fresh, ...old],
    lastKvno: fresh.kvno,
    rotationAskedAt: null,
    changedAt: now,
  }
}

/** Erases every key: the principal gets its next one by an invitation, or by hand. */
export function withoutKeys(record: PrincipalRecord, now: number): PrincipalRecord {
  return { ...record, keys: [], password: null, rotationAskedAt: null, changedAt: now }
}

/** Erases old keys under which no ticket can live any more. */
export function withoutEndedKeys(record: PrincipalRecord, now: number): PrincipalRecord {
  const keys = record.keys.filter(({ endsAt }) => endsAt === null || now < endsAt)
  return { ...record, keys, changedAt: now }
}

/**
 * When the current key is due to change, milliseconds; null for never. A password is changed by its owner, and an
 * invitation ends by itself.
 * @param life how old such keys get, milliseconds; null for as old as they like
 */
export function dueOf(record: PrincipalRecord, life: number | null): number | null {
  const current = currentKey(record)
  if (current === undefined || current.fromPassword || record.invitation !== null) return null
  const { rotationAskedAt } = record
  if (life === null) return rotationAskedAt
  const aged = current.createdAt + life
  return rotationAskedAt === null ? aged : Math.min(aged, rotationAskedAt)
}

/** How old the keys of a principal get, milliseconds; null for as old as they like. */
export function keyLife({ krbtgt, kdc, principals }: RotationSchedule, name: Principal): number | null {
  if (!isReserved(name)) return principals
  return localPart(name) === 'krbtgt' ? krbtgt : kdc
}

function newKey(
  record: PrincipalRecord,
  key: LongTermKey,
  now: number,
  rest: Partial<Pick<StoredKey, 'state' | 'fromPassword' | 'stagedBy'>> = {},
): StoredKey {
  const kvno = record.lastKvno + 1
  const plain = { fromPassword: false, state: 'current', endsAt: null, stagedBy: null } as const
  return { ...plain, kvno, key, createdAt: now, ...rest }
}
