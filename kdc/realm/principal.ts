import type { PrincipalLimits } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { PasswordParameters } from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import { CUT_OFF_AHEAD } from '../limits/defaults.js'
import type { PrincipalRecord } from '../vault/records.js'

/**
 * How a principal's record is made, cut off and removed: pure functions of values (docs/protocol.md sections 1 and 10).
 */

export interface NewPrincipalOptions extends Partial<PrincipalLimits> {
  readonly name: Principal
  readonly key: LongTermKey
  /** How the password becomes the key; null for a random key. */
  readonly password?: PasswordParameters | null
  /** The record of a removed principal of the same name. */
  readonly tombstone?: PrincipalRecord | undefined
  /** KDC time, milliseconds. */
  readonly now: number
  readonly random: RandomSource
}

/** A new principal, also if one of the same name was removed before; kvno and cut-off then continue from that one. */
export function newPrincipal(options: NewPrincipalOptions): PrincipalRecord {
  const { name, key, password = null, tombstone, now, random } = options
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
    expiresAt: options.expiresAt ?? null,
    maxLife: options.maxLife ?? null,
    maxRenew: options.maxRenew ?? null,
    createdAt: now,
    changedAt: now,
  }
}

/**
 * The time of a cut-off that revokes every ticket that the principal has, and those issued until the cut-off is stored.
 * So it lies ahead by the time that storing may take, and that the clock may have been ahead when the KDC last ran. It
 * also lies 1 ms after the last cut-off, because a login right after that one gets an authTime 1 ms above it.
 */
export function cutOffAt(record: PrincipalRecord, newestRead: number): number {
  return Math.max(newestRead + CUT_OFF_AHEAD, record.cutOff + 1)
}

/** What is kept of a removed principal: no key, but what a new principal of the same name must continue from. */
export function tombstoneOf(record: PrincipalRecord, cutOff: number, now: number): PrincipalRecord {
  return { ...record, keys: [], password: null, removed: true, cutOff, changedAt: now }
}
