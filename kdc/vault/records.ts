import type { PolicyRule } from '../../shared/administration/rules.js'
import { SIZE } from '../../shared/constants.js'
import type { Value } from '../../shared/encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  nullable,
  numberOf,
  oneOf,
  patternOf,
  principalOf,
  realmNameOf,
  textsOf,
} from '../../shared/encoding/fields.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import { decodeClaims, encodeClaims } from '../../shared/ticket/claims.js'
import { decodeRecord, FORM, requireReadable } from './record-form.js'

/**
 * The records of the vault. Times are milliseconds of KDC time, lifetimes milliseconds. Every `encode...` throws
 * TypeError for a record that could not be read again, every `decode...` OrthrusError `unavailable` for a list of
 * another form.
 */

export {
  decodePrincipalRecord,
  encodePrincipalRecord,
  type PrincipalRecord,
  type StoredKey,
} from './principal-record.js'

/** The two records of kind `realm`. */
export const REALM_RECORD_NAME = { REALM: 'realm', CLOCK: 'clock' } as const

/** A rule as stored. Its form on disk is separate, so that it need not change with the form in which rules are sent. */
export interface PolicyRecord extends PolicyRule {
  readonly changedAt: number
}

export function encodePolicyRecord(record: PolicyRecord): Value[] {
  const { client, service, effect, claims, maxLife, methods, paths, delegable, changedAt } = record
  const caveats = [methods && [...methods], paths && [...paths]]
  return requireReadable(
    [FORM, client, service, effect, encodeClaims(claims), maxLife, ...caveats, delegable, changedAt],
    decodePolicyRecord,
  )
}

export function decodePolicyRecord(list: readonly Value[]): PolicyRecord {
  return decodeRecord('policy', list, 10, value => ({
    client: patternOf(value[1]),
    service: patternOf(value[2]),
    effect: oneOf(value[3], ['allow', 'deny']),
    claims: decodeClaims(value[4]),
    maxLife: nullable(value[5], numberOf),
    methods: nullable(value[6], textsOf),
    paths: nullable(value[7], textsOf),
    delegable: booleanOf(value[8]),
    changedAt: numberOf(value[9]),
  }))
}

/** The realm: one record. */
export interface RealmRecord {
  readonly realm: RealmName
  /** 32 bytes from which the salts of names without a password are derived (section 8, Passwords). */
  readonly saltSecret: Uint8Array
  readonly maxTgtLife: number
  readonly maxServiceLife: number
  readonly maxRenew: number
  readonly createdAt: number
}

export function encodeRealmRecord(record: RealmRecord): Value[] {
  const { realm, saltSecret, maxTgtLife, maxServiceLife, maxRenew, createdAt } = record
  return requireReadable(
    [FORM, realm, saltSecret, maxTgtLife, maxServiceLife, maxRenew, createdAt],
    decodeRealmRecord,
  )
}

export function decodeRealmRecord(list: readonly Value[]): RealmRecord {
  return decodeRecord('realm', list, 7, value => ({
    realm: realmNameOf(value[1]),
    saltSecret: bytesOf(value[2], SIZE.KEY).slice(),
    maxTgtLife: numberOf(value[3]),
    maxServiceLife: numberOf(value[4]),
    maxRenew: numberOf(value[5]),
    createdAt: numberOf(value[6]),
  }))
}

/** The newest stored time, below which KDC time never falls (section 10): one record. */
export interface ClockRecord {
  readonly newest: number
}

export function encodeClockRecord({ newest }: ClockRecord): Value[] {
  return requireReadable([FORM, newest], decodeClockRecord)
}

export function decodeClockRecord(list: readonly Value[]): ClockRecord {
  return decodeRecord('clock', list, 2, value => ({ newest: numberOf(value[1]) }))
}

/** An entry of the revocation log (section 10). */
export type RevocationRecord = RevocationSubject & {
  readonly seq: number
  readonly time: number
  /** For a `key`: the highest kvno that is retired, along with all lower ones. */
  readonly extra: number | null
  readonly keepUntil: number
}

export type RevocationSubject =
  /** A ticketId of 16 bytes. */
  | { readonly kind: 'ticket'; readonly subject: Uint8Array }
  | { readonly kind: 'client' | 'key'; readonly subject: Principal }

export function encodeRevocationRecord(record: RevocationRecord): Value[] {
  const { seq, kind, subject, time, extra, keepUntil } = record
  return requireReadable([FORM, seq, kind, subject, time, extra, keepUntil], decodeRevocationRecord)
}

export function decodeRevocationRecord(list: readonly Value[]): RevocationRecord {
  return decodeRecord('revocation', list, 7, value => ({
    seq: numberOf(value[1]),
    ...subjectOf(value[2], value[3]),
    time: numberOf(value[4]),
    extra: nullable(value[5], numberOf),
    keepUntil: numberOf(value[6]),
  }))
}

function subjectOf(kindValue: Value | undefined, subject: Value | undefined): RevocationSubject {
  const kind = oneOf(kindValue, ['ticket', 'client', 'key'])
  if (kind === 'ticket') return { kind, subject: bytesOf(subject, SIZE.TICKET_ID).slice() }
  return { kind, subject: principalOf(subject) }
}
