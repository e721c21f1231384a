import type { PrincipalLimits } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { PasswordParameters } from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import type { Invitation, PrincipalRecord, StoredKey } from '../vault/records.js'

/**
 * How a principal's record is made, revoked and removed: pure functions of values (docs/protocol.md sections 1 and 10).
 */

export interface NewPrincipalOptions extends Partial<PrincipalLimits> {
  readonly name: Principal
  readonly key: LongTermKey
  /** How the password becomes the key; null for a random key. */
  readonly password?: PasswordParameters | null
  /** The record of a removed principal of the same name. */
  readonly tombstone?: PrincipalRecord | undefined
  readonly invitation?: Invitation | null
  /** Which invitation makes it: its key is then staged, until the holder has shown it. */
  readonly stagedBy?: Principal | null
  /** KDC time, milliseconds. */
  readonly now: number
  readonly random: RandomSource
}

/** A new principal, also if one of the same name was removed before; its kvno then continues from that one. */
export function newPrincipal(options: NewPrincipalOptions): PrincipalRecord {
  const { name, key, password = null, tombstone, stagedBy = null, now, random } = options
  const kvno = (tombstone?.lastKvno ?? 0) + 1
  const stored: StoredKey = {
    kvno,
    key,
    fromPassword: password !== null,
    createdAt: now,
    state: stagedBy === null ? 'current' : 'next',
    endsAt: null,
    stagedBy,
  }
  return {
    name,
    clientId: random(SIZE.CLIENT_ID),
    keys: [stored],
    lastKvno: kvno,
    password,
    disabled: false,
    removed: false,
    expiresAt: options.expiresAt ?? null,
    maxLife: options.maxLife ?? null,
    maxRenew: options.maxRenew ?? null,
    createdAt: now,
    changedAt: now,
    rotationAskedAt: null,
    invitation: options.invitation ?? null,
    // Those of a removed principal of the same name were its own.
    groups: [],
  }
}

/** Begins another series of tickets: those of the series before are revoked (section 10). */
export function withNewSeries(record: PrincipalRecord, random: RandomSource, now: number): PrincipalRecord {
  return { ...record, clientId: random(SIZE.CLIENT_ID), changedAt: now }
}

/** What is kept of a removed principal: no key, but what a new principal of the same name must continue from. */
export function tombstoneOf(record: PrincipalRecord): PrincipalRecord {
  return {
    ...record,
    keys: [],
    password: null,
    removed: true,
    rotationAskedAt: null,
    invitation: null,
    groups: [],
  }
}
