import { SIZE } from '../../shared/constants.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { PasswordParameters } from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import { CUT_OFF_AHEAD } from '../limits/defaults.js'
import type { PrincipalRecord } from '../vault/records.js'

/** The life of a principal's record: pure functions of values (docs/protocol.md sections 1 and 10). */

export interface PrincipalMaking {
  readonly name: Principal
  readonly key: LongTermKey
  /** Where the key comes from a password, how. */
  readonly password?: PasswordParameters | null
  /** What is left of one of the same name that was removed. */
  readonly tombstone?: PrincipalRecord | undefined
  readonly expiresAt?: number | null
  readonly maxLife?: number | null
  readonly maxRenew?: number | null
  /** KDC time, milliseconds. */
  readonly now: number
  readonly random: RandomSource
}

/** A principal of its own, even where one of the same name was there before: neither kvno nor cut-off starts again. */
export function newPrincipal(making: PrincipalMaking): PrincipalRecord {
  const { name, key, password = null, tombstone, now, random } = making
  const kvno = (tombstone?.lastKvno ?? 0) + 1
  return {
    name,
    clientId: random(SIZE.CLIENT_ID),
    keys: [{ kvno, key, fromPassword: password !== null, createdAt: now }],
    lastKvno: kvno,
    password,
    disabled: false,
    removed: false,
    cutOff: tombstone?.cutOff ?? 0,
    expiresAt: making.expiresAt ?? null,
    maxLife: making.maxLife ?? null,
    maxRenew: making.maxRenew ?? null,
    createdAt: now,
    changedAt: now,
  }
}

/**
 * Every ticket that the principal has is revoked, and what it gets until the cut-off is stored: the cut-off lies as
 * far ahead as storing it may take, and as the clock may have been when the KDC last ran. The last cut-off counts
 * too, which a login right after it passes by 1 ms.
 */
export function cutOffAt(record: PrincipalRecord, newestRead: number): number {
  return Math.max(newestRead + CUT_OFF_AHEAD, record.cutOff + 1)
}

/** What stays of a principal that is removed: no key, but all that must not start again with the name. */
export function tombstoneOf(record: PrincipalRecord, cutOff: number, now: number): PrincipalRecord {
  return { ...record, keys: [], password: null, removed: true, cutOff, changedAt: now }
}
