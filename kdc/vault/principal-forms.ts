import { sha256 } from '#primitives'
import { KEY_STATES, type KeyState } from '../../shared/administration/keys.js'
import { concatBytes } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { encode, type Value } from '../../shared/encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  fields,
  groupOf,
  kvnoOf,
  listOf,
  longTermKeyOf,
  nullable,
  numberOf,
  oneOf,
  patternOf,
  principalOf,
  textOf,
} from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import { decodePasswordParameters, encodePasswordParameters } from '../../shared/exchange/params.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Invitation, Inviter, PrincipalRecord, StoredKey } from './principal-record.js'
import { decodeRecord, requireReadable } from './record-form.js'

/** The bytes of a principal's record: the present form, and those of earlier versions, which are read. */

/**
 * Form 1 had a cut-off time in place of series of tickets, and keys without a state. Form 2 had no groups, and its
 * invitations were all made by administrators. Both are read, and not written.
 */
const FORM = 3

export function encodePrincipalRecord(record: PrincipalRecord): Value[] {
  const { name, clientId, keys, lastKvno, password, disabled, removed, expiresAt, maxLife, maxRenew } = record
  const { createdAt, changedAt, rotationAskedAt, invitation, groups } = record
  const list = [
    FORM,
    name,
    clientId,
    keys.map(encodeKey),
    lastKvno,
    password && encodePasswordParameters(password),
    disabled,
    removed,
    expiresAt,
    maxLife,
    maxRenew,
    createdAt,
    changedAt,
    rotationAskedAt,
    invitation && encodeInvitation(invitation),
    [...groups],
  ]
  return requireReadable(list, decodePrincipalRecord)
}

function encodeKey({ kvno, key, fromPassword, createdAt, state, endsAt, stagedBy }: StoredKey): Value[] {
  return [kvno, revealKey(key), fromPassword, createdAt, state, endsAt, stagedBy]
}

function encodeInvitation(invitation: Invitation): Value[] {
  const { target, uses, used, staged, principalsLife, lastUsedAt, lastUsedFrom, invitedBy } = invitation
  const inviter = invitedBy && [invitedBy.name, invitedBy.clientId]
  return [target, uses, used, [...staged], principalsLife, lastUsedAt, lastUsedFrom, inviter]
}

export function decodePrincipalRecord(list: readonly Value[]): PrincipalRecord {
  return decodeRecord('principal', list, {
    1: { fields: 14, read: decodeFirstForm },
    2: { fields: 15, read: decodeSecondForm },
    [FORM]: { fields: 16, read: decodeThirdForm },
  })
}

function decodeThirdForm(value: readonly Value[]): PrincipalRecord {
  return {
    ...decodeSecondForm(value.with(14, null)),
    invitation: nullable(value[14], invitationOf),
    groups: groupsOf(value[15]),
  }
}

function decodeSecondForm(value: readonly Value[]): PrincipalRecord {
  const lastKvno = numberOf(value[4])
  return {
    name: principalOf(value[1]),
    clientId: bytesOf(value[2], SIZE.CLIENT_ID).slice(),
    keys: keysOf(value[3], lastKvno, decodeKey),
    lastKvno,
    password: nullable(value[5], decodePasswordParameters),
    disabled: booleanOf(value[6]),
    removed: booleanOf(value[7]),
    expiresAt: nullable(value[8], numberOf),
    maxLife: nullable(value[9], numberOf),
    maxRenew: nullable(value[10], numberOf),
    createdAt: numberOf(value[11]),
    changedAt: numberOf(value[12]),
    rotationAskedAt: nullable(value[13], numberOf),
    invitation: nullable(value[14], secondInvitationOf),
    groups: [],
  }
}

/**
 * A cut-off of form 1 revoked the tickets up to its time. Here another series does: always the same one, because a
 * record may be read many times before it is written again.
 */
function decodeFirstForm(value: readonly Value[]): PrincipalRecord {
  const clientId = bytesOf(value[2], SIZE.CLIENT_ID)
  const cutOff = numberOf(value[8])
  const lastKvno = numberOf(value[4])
  return {
    name: principalOf(value[1]),
    clientId: cutOff === 0 ? clientId.slice() : nextSeries(clientId, cutOff),
    keys: keysOf(value[3], lastKvno, decodeFirstKey).map(stateByOrder),
    lastKvno,
    password: nullable(value[5], decodePasswordParameters),
    disabled: booleanOf(value[6]),
    removed: booleanOf(value[7]),
    expiresAt: nullable(value[9], numberOf),
    maxLife: nullable(value[10], numberOf),
    maxRenew: nullable(value[11], numberOf),
    createdAt: numberOf(value[12]),
    changedAt: numberOf(value[13]),
    rotationAskedAt: null,
    invitation: null,
    groups: [],
  }
}

/** The series that a cut-off of a record of form 1 revoked; `undefined` if there is no such record. */
export function firstSeriesOf(list: readonly Value[]): Uint8Array | undefined {
  return list[0] === 1 ? bytesOf(list[2], SIZE.CLIENT_ID).slice() : undefined
}

function nextSeries(clientId: Uint8Array, cutOff: number): Uint8Array {
  return sha256(concatBytes(clientId, encode([cutOff]))).slice(0, SIZE.CLIENT_ID)
}

type KeyDecoder = (value: Value) => StoredKey

function keysOf(value: Value | undefined, lastKvno: number, decode: KeyDecoder): StoredKey[] {
  let above = lastKvno + 1
  const states = new Set<KeyState>()
  return listOf(value).map(item => {
    const stored = decode(item)
    const { kvno, state } = stored
    if (kvno >= above) throw malformed('kvnos that are not in descending order')
    if (state !== 'old' && states.has(state)) throw malformed(`two keys that are ${state}`)
    above = kvno
    states.add(state)
    return stored
  })
}

function decodeKey(item: Value): StoredKey {
  const [kvno, key, fromPassword, createdAt, state, endsAt, stagedBy] = fields(item, 7)
  return {
    kvno: kvnoOf(kvno),
    key: longTermKeyOf(key),
    fromPassword: booleanOf(fromPassword),
    createdAt: numberOf(createdAt),
    state: oneOf(state, KEY_STATES),
    endsAt: nullable(endsAt, numberOf),
    stagedBy: nullable(stagedBy, principalOf),
  }
}

/** Which one is current, `stateByOrder` says. */
function decodeFirstKey(item: Value): StoredKey {
  const [kvno, key, fromPassword, createdAt] = fields(item, 4)
  return {
    kvno: kvnoOf(kvno),
    key: longTermKeyOf(key),
    fromPassword: booleanOf(fromPassword),
    createdAt: numberOf(createdAt),
    state: 'old',
    endsAt: null,
    stagedBy: null,
  }
}

function stateByOrder(stored: StoredKey, index: number): StoredKey {
  return { ...stored, state: index === 0 ? 'current' : 'old' }
}

/** In ascending order, so that one record has one form. */
function groupsOf(value: Value | undefined): Pattern[] {
  let before = ''
  return listOf(value).map(item => {
    const group = groupOf(item)
    if (group <= before) throw malformed('groups that are not in ascending order')
    before = group
    return group
  })
}

function invitationOf(value: Value | undefined): Invitation {
  const list = fields(value, 8)
  return { ...secondInvitationOf([...list.slice(0, 7)]), invitedBy: nullable(list[7], inviterOf) }
}

function inviterOf(value: Value | undefined): Inviter {
  const [name, clientId] = fields(value, 2)
  return { name: principalOf(name), clientId: bytesOf(clientId, SIZE.CLIENT_ID).slice() }
}

function secondInvitationOf(value: Value | undefined): Invitation {
  const [target, uses, used, staged, principalsLife, lastUsedAt, lastUsedFrom] = fields(value, 7)
  return {
    target: patternOf(target),
    uses: numberOf(uses),
    used: numberOf(used),
    staged: listOf(staged).map(principalOf),
    principalsLife: nullable(principalsLife, numberOf),
    lastUsedAt: nullable(lastUsedAt, numberOf),
    lastUsedFrom: nullable(lastUsedFrom, textOf),
    invitedBy: null,
  }
}
