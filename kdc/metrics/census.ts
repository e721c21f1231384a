import { isReserved, localPart } from '../../shared/principal.js'
import { dueOf, keyLife } from '../realm/key-changes.js'
import { currentKey } from '../realm/principal-keys.js'
import type { PrincipalRecord, RealmRecord } from '../vault/records.js'

/** A principal by what it is: one of the KDC's own, one with a random key, a person with a password, an invitation. */
export const PRINCIPAL_KINDS = ['krbtgt', 'kdc', 'service', 'user', 'invitation'] as const
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number]

/** Whether a principal could log in when it was counted. */
export type PrincipalStanding = 'enabled' | 'disabled' | 'expired'

/** The principals of one kind. */
export interface KindCount {
  readonly principals: Readonly<Record<PrincipalStanding, number>>
  /** When the oldest of their current keys was made, KDC time, milliseconds; null if they have none. */
  readonly oldestKeyFrom: number | null
  /** Principals whose key is due to change. */
  readonly keysDue: number
}

/** All principals of a realm. Those that were removed do not count. */
export type Census = Readonly<Record<PrincipalKind, KindCount>>

/** Counts principals one by one. Nothing of a record is kept. */
export class CensusTaker {
  readonly #realm: Pick<RealmRecord, 'rotation'>
  readonly #now: number
  readonly #counts = Object.fromEntries(PRINCIPAL_KINDS.map(kind => [kind, emptyCount()])) as Record<
    PrincipalKind,
    CountBeingMade
  >

  /** @param now KDC time, milliseconds */
  constructor(realm: Pick<RealmRecord, 'rotation'>, now: number) {
    this.#realm = realm
    this.#now = now
  }

  add(record: PrincipalRecord): void {
    if (record.removed) return
    const count = this.#counts[kindOf(record)]
    count.principals[standingOf(record, this.#now)] += 1
    const createdAt = currentKey(record)?.createdAt ?? Number.POSITIVE_INFINITY
    if (createdAt < (count.oldestKeyFrom ?? Number.POSITIVE_INFINITY)) count.oldestKeyFrom = createdAt
    const due = dueOf(record, keyLife(this.#realm.rotation, record.name))
    if (due !== null && due <= this.#now) count.keysDue += 1
  }

  get census(): Census {
    return this.#counts
  }
}

interface CountBeingMade {
  readonly principals: Record<PrincipalStanding, number>
  oldestKeyFrom: number | null
  keysDue: number
}

function emptyCount(): CountBeingMade {
  return { principals: { enabled: 0, disabled: 0, expired: 0 }, oldestKeyFrom: null, keysDue: 0 }
}

function kindOf(record: PrincipalRecord): PrincipalKind {
  if (isReserved(record.name)) return localPart(record.name) === 'krbtgt' ? 'krbtgt' : 'kdc'
  if (record.invitation !== null) return 'invitation'
  return currentKey(record)?.fromPassword === true ? 'user' : 'service'
}

function standingOf({ disabled, expiresAt }: PrincipalRecord, now: number): PrincipalStanding {
  if (disabled) return 'disabled'
  return expiresAt !== null && now >= expiresAt ? 'expired' : 'enabled'
}
