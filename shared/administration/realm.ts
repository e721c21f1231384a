import type { Value } from '../encoding/encoding.js'
import { fields, lifetimeOf, nullable, numberOf, realmNameOf } from '../encoding/fields.js'
import type { RealmName } from '../principal.js'

/** The realm's settings, as `realm` and `set-realm` send them. Times and durations are milliseconds. */

/** The longest lifetimes of the realm's tickets. */
export interface RealmLifetimes {
  readonly maxTgtLife: number
  readonly maxServiceLife: number
  readonly maxRenew: number
}

/** How old a key gets before it is due to change; null for never (docs/protocol.md section 12). */
export interface RotationSchedule {
  readonly krbtgt: number | null
  readonly kdc: number | null
  /** Of every other principal with a random key. */
  readonly principals: number | null
}

/** The result of `realm` and `set-realm`. */
export interface RealmSummary extends RealmLifetimes {
  readonly realm: RealmName
  /** The longest life that the realm ever allowed a ticket: how long keys and revocations are kept. */
  readonly longestLife: number
  readonly rotation: RotationSchedule
  /**
   * How long clients and services are to go on without any KDC; null for as long as their tickets happen to live. The
   * lifetimes are long enough for it, and services that follow the KDC take it as their `maxStaleness`.
   */
  readonly survive: number | null
  readonly createdAt: number
}

export function encodeRealmSummary(summary: RealmSummary): Value[] {
  const { realm, maxTgtLife, maxServiceLife, maxRenew, longestLife, rotation, survive, createdAt } = summary
  const { krbtgt, kdc, principals } = rotation
  return [
    realm,
    maxTgtLife,
    maxServiceLife,
    maxRenew,
    longestLife,
    [krbtgt, kdc, principals],
    survive,
    createdAt,
  ]
}

/** @throws OrthrusError `malformed` */
export function decodeRealmSummary(value: Value | undefined): RealmSummary {
  const list = fields(value, 8)
  const [krbtgt, kdc, principals] = fields(list[5], 3)
  return {
    realm: realmNameOf(list[0]),
    maxTgtLife: lifetimeOf(list[1]),
    maxServiceLife: lifetimeOf(list[2]),
    maxRenew: lifetimeOf(list[3]),
    longestLife: lifetimeOf(list[4]),
    rotation: {
      krbtgt: nullable(krbtgt, numberOf),
      kdc: nullable(kdc, numberOf),
      principals: nullable(principals, numberOf),
    },
    survive: nullable(list[6], lifetimeOf),
    createdAt: numberOf(list[7]),
  }
}

/** `set-realm`: what changes; what is left out stays as it is. */
export interface RealmChanges extends Partial<RealmLifetimes> {
  readonly rotation?: Partial<RotationSchedule>
  /** null for none */
  readonly survive?: number | null
}

/** In an age of a key and in `survive` nil says that it stays, and 0 that there is none. */
export function encodeRealmChanges({ rotation = {}, survive, ...lives }: RealmChanges): Value[] {
  const { maxTgtLife = null, maxServiceLife = null, maxRenew = null } = lives
  const ages = [rotation.krbtgt, rotation.kdc, rotation.principals].map(orZero)
  return [maxTgtLife, maxServiceLife, maxRenew, ages, orZero(survive)]
}

function orZero(value: number | null | undefined): number | null {
  return value === null ? 0 : (value ?? null)
}

/** @throws OrthrusError `malformed` */
export function decodeRealmChanges(value: Value | undefined): RealmChanges {
  const [maxTgtLife, maxServiceLife, maxRenew, ages, survive] = fields(value, 5)
  const [krbtgt, kdc, principals] = fields(ages, 3)
  return {
    ...changed('maxTgtLife', maxTgtLife, lifetimeOf),
    ...changed('maxServiceLife', maxServiceLife, lifetimeOf),
    ...changed('maxRenew', maxRenew, lifetimeOf),
    rotation: {
      ...changed('krbtgt', krbtgt, ageOf),
      ...changed('kdc', kdc, ageOf),
      ...changed('principals', principals, ageOf),
    },
    ...changed('survive', survive, ageOf),
  }
}

function changed<Name extends string, T>(
  name: Name,
  value: Value | undefined,
  read: (value: Value | undefined) => T,
): { [K in Name]?: T } {
  return value === null ? {} : ({ [name]: read(value) } as { [K in Name]: T })
}

function ageOf(value: Value | undefined): number | null {
  const age = numberOf(value)
  return age === 0 ? null : age
}
