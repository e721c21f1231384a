import type { RealmLifetimes, RotationSchedule } from '../../shared/administration/realm.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { decodeRuleRate, encodeRuleRate } from '../../shared/administration/rules.js'
import { SIZE } from '../../shared/constants.js'
import type { Value } from '../../shared/encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  fields,
  nullable,
  numberOf,
  oneOf,
  patternOf,
  principalOf,
  realmNameOf,
  textsOf,
} from '../../shared/encoding/fields.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import {
  decodeEntry,
  encodeEntry,
  entryNumberOf,
  type RevocationEntry,
} from '../../shared/revocation/entry.js'
import { decodeClaims, encodeClaims } from '../../shared/ticket/claims.js'
import { decodeRecord, requireReadable } from './record-form.js'
import { SCHEMA } from './schema.js'

/**
 * The records of the vault. Times are milliseconds of KDC time, lifetimes milliseconds. Every `encode...` throws
 * TypeError for a record that could not be read again, every `decode...` OrthrusError `unavailable` for a list of
 * another form.
 */

export { decodePrincipalRecord, encodePrincipalRecord, firstSeriesOf } from './principal-forms.js'
export type { Invitation, Inviter, PrincipalRecord, StoredKey } from './principal-record.js'

/**
 * The records of kind `realm`. The last version stored the time in `clock`, which is deleted where it is found. A realm
 * that was moved to another store has its record in `moved`, where no KDC looks for it.
 */
export const REALM_RECORD_NAME = { REALM: 'realm', CLOCK: 'clock', MOVED: 'moved' } as const

/** Form 1 had neither an end nor a rate. It is read, and not written. */
const POLICY_FORM = 2

/** A rule as stored. Its form on disk is separate, so that it need not change with the form in which rules are sent. */
export interface PolicyRecord extends PolicyRule {
  readonly changedAt: number
}

export function encodePolicyRecord(record: PolicyRecord): Value[] {
  const { client, service, effect, claims, maxLife, methods, paths, delegable, changedAt } = record
  const { until, rate } = record
  const caveats = [methods && [...methods], paths && [...paths]]
  return requireReadable(
    [
      POLICY_FORM,
      ...[client, service, effect, encodeClaims(claims), maxLife, ...caveats, delegable, changedAt],
      until,
      rate && encodeRuleRate(rate),
    ],
    decodePolicyRecord,
  )
}

export function decodePolicyRecord(list: readonly Value[]): PolicyRecord {
  return decodeRecord('policy', list, {
    1: { fields: 10, read: decodeFirstPolicy },
    [POLICY_FORM]: { fields: 12, read: decodePolicy },
  })
}

function decodePolicy(value: readonly Value[]): PolicyRecord {
  return {
    ...decodeFirstPolicy(value),
    until: nullable(value[10], numberOf),
    rate: nullable(value[11], decodeRuleRate),
  }
}

function decodeFirstPolicy(value: readonly Value[]): PolicyRecord {
  return {
    client: patternOf(value[1]),
    service: patternOf(value[2]),
    effect: oneOf(value[3], ['allow', 'deny']),
    claims: decodeClaims(value[4]),
    maxLife: nullable(value[5], numberOf),
    methods: nullable(value[6], textsOf),
    paths: nullable(value[7], textsOf),
    delegable: booleanOf(value[8]),
    until: null,
    rate: null,
    changedAt: numberOf(value[9]),
  }
}

/** The realm: one record. */
export interface RealmRecord extends RealmLifetimes {
  readonly realm: RealmName
  /** 32 bytes from which the salts of names without a password are derived (section 8, Passwords). */
  readonly saltSecret: Uint8Array
  /** The longest life that the realm ever allowed a ticket, renewals included. Nothing issued before lives longer. */
  readonly longestLife: number
  readonly rotation: RotationSchedule
  /** How long clients and services are to go on without any KDC, milliseconds; null if that was not set. */
  readonly survive: number | null
  /** 16 bytes: the id of the revocation log (section 10). */
  readonly logId: Uint8Array
  readonly createdAt: number
}

/** A record of form 1 had none of these. `kdc/realm/migrate.ts` completes it and writes it again. */
export type FirstRealmRecord = Omit<RealmRecord, 'logId' | 'rotation' | 'survive'>

/** It says of the whole database what a program must be able to read. */
const REALM_FORM = SCHEMA

export function encodeRealmRecord(record: RealmRecord): Value[] {
  const { realm, saltSecret, maxTgtLife, maxServiceLife, maxRenew, longestLife, logId, createdAt } = record
  const { krbtgt, kdc, principals } = record.rotation
  const lives = [maxTgtLife, maxServiceLife, maxRenew, longestLife]
  return requireReadable(
    [REALM_FORM, realm, saltSecret, ...lives, [krbtgt, kdc, principals], logId, createdAt, record.survive],
    decodeRealmRecord,
  )
}

export function decodeRealmRecord(list: readonly Value[]): RealmRecord {
  return decodeRecord('realm', list, {
    2: { fields: 10, read: value => decodeRealm([...value, null]) },
    [REALM_FORM]: { fields: 11, read: decodeRealm },
  })
}

/** `undefined` if the record has a later form. */
export function decodeFirstRealmRecord(list: readonly Value[]): FirstRealmRecord | undefined {
  return list[0] === 1 ? decodeRecord('realm', list, { 1: { fields: 7, read: decodeFirstRealm } }) : undefined
}

function decodeRealm(value: readonly Value[]): RealmRecord {
  const [krbtgt, kdc, principals] = fields(value[7], 3)
  return {
    realm: realmNameOf(value[1]),
    saltSecret: bytesOf(value[2], SIZE.KEY).slice(),
    maxTgtLife: numberOf(value[3]),
    maxServiceLife: numberOf(value[4]),
    maxRenew: numberOf(value[5]),
    longestLife: numberOf(value[6]),
    rotation: {
      krbtgt: nullable(krbtgt, numberOf),
      kdc: nullable(kdc, numberOf),
      principals: nullable(principals, numberOf),
    },
    logId: bytesOf(value[8], SIZE.LOG_ID).slice(),
    createdAt: numberOf(value[9]),
    survive: nullable(value[10], numberOf),
  }
}

function decodeFirstRealm(value: readonly Value[]): FirstRealmRecord {
  const maxTgtLife = numberOf(value[3])
  const maxServiceLife = numberOf(value[4])
  const maxRenew = numberOf(value[5])
  return {
    realm: realmNameOf(value[1]),
    saltSecret: bytesOf(value[2], SIZE.KEY).slice(),
    maxTgtLife,
    maxServiceLife,
    maxRenew,
    longestLife: Math.max(maxTgtLife, maxServiceLife, maxRenew),
    createdAt: numberOf(value[6]),
  }
}

const REVOCATION_FORM = 2

/** Its form on disk is a list that begins with the number of the form, and goes on as an entry is sent. */
export function encodeRevocationRecord(entry: RevocationEntry): Value[] {
  return requireReadable([REVOCATION_FORM, ...encodeEntry(entry)], decodeRevocationRecord)
}

export function decodeRevocationRecord(list: readonly Value[]): RevocationEntry {
  const read = (value: readonly Value[]): RevocationEntry => decodeEntry(value.slice(1))
  return decodeRecord('revocation', list, { [REVOCATION_FORM]: { fields: 8, read } })
}

/** An entry of form 1, which revoked by the time of a login. There were none but of clients. */
export type FirstRevocationRecord = Pick<RevocationEntry, 'seq' | 'time' | 'keepUntil'> & {
  readonly principal: Principal
}

export function decodeFirstRevocationRecord(list: readonly Value[]): FirstRevocationRecord {
  const read = (value: readonly Value[]): FirstRevocationRecord => ({
    seq: entryNumberOf(value[1]),
    principal: principalOf(value[3]),
    time: numberOf(value[4]),
    keepUntil: numberOf(value[6]),
  })
  return decodeRecord('revocation', list, { 1: { fields: 7, read } })
}
