import type { PrincipalState } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { type LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import type { Value } from '../../shared/encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  fields,
  kvnoOf,
  listOf,
  longTermKeyOf,
  nullable,
  numberOf,
  principalOf,
} from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import {
  decodePasswordParameters,
  encodePasswordParameters,
  type PasswordParameters,
} from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import { decodeRecord, FORM, requireReadable } from './record-form.js'

export interface StoredKey {
  readonly kvno: number
  readonly key: LongTermKey
  readonly fromPassword: boolean
  readonly createdAt: number
}

/** A principal (docs/protocol.md section 1). */
export interface PrincipalRecord extends PrincipalState {
  readonly name: Principal
  /** 8 bytes. A name that is removed and added again gets a new id. */
  readonly clientId: Uint8Array
  /** The newest first. */
  readonly keys: readonly StoredKey[]
  /** The highest kvno that the name ever had; 0 before the first. */
  readonly lastKvno: number
  readonly password: PasswordParameters | null
  /** The record of a removed name keeps `lastKvno` and `cutOff`, so that neither restarts when it is added again. */
  readonly removed: boolean
  /** Tickets whose authTime is not after this time are revoked (section 7); 0 revokes none. */
  readonly cutOff: number
}

export function encodePrincipalRecord(record: PrincipalRecord): Value[] {
  const { name, clientId, keys, lastKvno, password, disabled, removed, cutOff } = record
  const { expiresAt, maxLife, maxRenew, createdAt, changedAt } = record
  const list = [
    FORM,
    name,
    clientId,
    keys.map(key => [key.kvno, revealKey(key.key), key.fromPassword, key.createdAt]),
    lastKvno,
    password && encodePasswordParameters(password),
    disabled,
    removed,
    cutOff,
    expiresAt,
    maxLife,
    maxRenew,
    createdAt,
    changedAt,
  ]
  return requireReadable(list, decodePrincipalRecord)
}

export function decodePrincipalRecord(list: readonly Value[]): PrincipalRecord {
  return decodeRecord('principal', list, 14, value => {
    const lastKvno = numberOf(value[4])
    return {
      name: principalOf(value[1]),
      clientId: bytesOf(value[2], SIZE.CLIENT_ID).slice(),
      keys: keysOf(value[3], lastKvno),
      lastKvno,
      password: nullable(value[5], decodePasswordParameters),
      disabled: booleanOf(value[6]),
      removed: booleanOf(value[7]),
      cutOff: numberOf(value[8]),
      expiresAt: nullable(value[9], numberOf),
      maxLife: nullable(value[10], numberOf),
      maxRenew: nullable(value[11], numberOf),
      createdAt: numberOf(value[12]),
      changedAt: numberOf(value[13]),
    }
  })
}

function keysOf(value: Value | undefined, lastKvno: number): StoredKey[] {
  let above = lastKvno + 1
  return listOf(value).map(item => {
    const [kvno, key, fromPassword, createdAt] = fields(item, 4)
    const stored = {
      kvno: kvnoOf(kvno),
      key: longTermKeyOf(key),
      fromPassword: booleanOf(fromPassword),
      createdAt: numberOf(createdAt),
    }
    if (stored.kvno >= above) throw malformed('kvnos that are not in descending order')
    above = stored.kvno
    return stored
  })
}
