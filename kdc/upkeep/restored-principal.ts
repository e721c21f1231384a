import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { isReserved, type Principal } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { invitationEnd } from '../realm/invitation.js'
import { dueOf, withOnlyKey } from '../realm/key-changes.js'
import { type Revocation, revocationOfSeries } from '../realm/revocation-log.js'
import type { PrincipalRecord } from '../vault/records.js'

/**
 * What becomes of a principal when a backup is restored (docs/protocol.md section 12): pure functions of its record.
 * Nobody knows what changed after the backup. So nothing that was issued before counts any more, no kvno is given twice,
 * and no code that was open then admits anybody.
 */

/** From which kvnos are counted after a restore: there is less than one a second. */
const EPOCH = Date.UTC(2020, 0, 1)

export interface RestoreOptions {
  /** KDC time, milliseconds. */
  readonly now: number
  readonly random: RandomSource
  /** How old keys of principals get, milliseconds; null for as old as they like. */
  readonly keyLife: number | null
  /** Principals that are given a fresh key, which takes the place of all others. */
  readonly rekeyed: ReadonlySet<Principal>
}

/** Why a host may have another key than the backup has of it. */
export type EnrolReason =
  | 'was asked for a new key'
  | 'its key was due to change'
  | 'was being invited'
  | 'has no key'

export interface RestoredPrincipal {
  readonly record: PrincipalRecord
  /** The series before, where tickets of it may live. */
  readonly revoked: Revocation | undefined
  readonly enrol: EnrolReason | undefined
  readonly wasOpenInvitation: boolean
}

export function restorePrincipal(before: PrincipalRecord, options: RestoreOptions): RestoredPrincipal {
  const { now, random, rekeyed } = options
  const isOpen = before.invitation !== null && invitationEnd(before, now) === undefined
  const plain = withoutInvited({
    ...before,
    clientId: random(SIZE.CLIENT_ID),
    lastKvno: Math.max(before.lastKvno, Math.floor((now - EPOCH) / SECOND)),
    changedAt: now,
    disabled: before.disabled || isOpen,
  })
  const isRekeyed = !before.removed && (isReserved(before.name) || rekeyed.has(before.name))
  const record = isRekeyed ? withOnlyKey(plain, new LongTermKey(random(SIZE.KEY)), null, now) : plain
  return {
    record,
    revoked: mayHaveTickets(before) ? revocationOfSeries(before) : undefined,
    enrol: isRekeyed || isOver(before) ? undefined : reasonOf(before, options),
    wasOpenInvitation: isOpen,
  }
}

/** The key that an invitation staged goes with the invitation. */
function withoutInvited(record: PrincipalRecord): PrincipalRecord {
  const keys = record.keys.filter(({ stagedBy }) => stagedBy === null)
  const { invitation } = record
  return { ...record, keys, invitation: invitation && { ...invitation, staged: [] } }
}

function isOver({ removed, disabled, invitation }: PrincipalRecord): boolean {
  return removed || disabled || invitation !== null
}

/**
 * Who was disabled may have been enabled after the backup, and then went on with the series that it has. Who was removed
 * or had no key got another one.
 */
function mayHaveTickets({ name, removed, invitation, keys }: PrincipalRecord): boolean {
  const mayLogIn = keys.some(({ state }) => state === 'current')
  return !removed && invitation === null && !isReserved(name) && mayLogIn
}

function reasonOf(record: PrincipalRecord, { now, keyLife }: RestoreOptions): EnrolReason | undefined {
  if (record.keys.some(({ stagedBy }) => stagedBy !== null)) return 'was being invited'
  if (!record.keys.some(({ state }) => state === 'current')) return 'has no key'
  if (record.rotationAskedAt !== null) return 'was asked for a new key'
  const due = dueOf(record, keyLife)
  return due !== null && due <= now ? 'its key was due to change' : undefined
}
