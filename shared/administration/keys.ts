import { SIZE } from '../constants.js'
import { type LongTermKey, revealKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  bytesOf,
  fields,
  kvnoOf,
  listOf,
  longTermKeyOf,
  nullable,
  numberOf,
  oneOf,
  principalOf,
} from '../encoding/fields.js'
import type { Principal } from '../principal.js'
import { decodePasswordKey, encodePasswordKey, type PasswordKey } from './principals.js'

/** What the methods for keys send (docs/protocol.md section 12). Times are milliseconds since the epoch. */

/**
 * What a key is good for. `current` seals and opens. `next` was staged, and seals nothing until its holder has shown
 * that it has it. `old` opens tickets until the last one under it has ended.
 */
export const KEY_STATES = ['current', 'next', 'old'] as const
export type KeyState = (typeof KEY_STATES)[number]

/** A key, without the key. */
export interface KeySummary {
  readonly kvno: number
  readonly state: KeyState
  readonly createdAt: number
}

/** The result of `keys`: the caller's own keys, the newest first. */
export interface OwnKeys {
  readonly keys: readonly KeySummary[]
  /** When the current key is due to change; null for never. The time may be past. */
  readonly due: number | null
}

export function encodeOwnKeys({ keys, due }: OwnKeys): Value[] {
  return [keys.map(encodeKeySummary), due]
}

/** @throws OrthrusError `malformed` */
export function decodeOwnKeys(results: readonly Value[]): OwnKeys {
  const [keys, due] = fields(results, 2)
  return { keys: listOf(keys).map(decodeKeySummary), due: nullable(due, numberOf) }
}

function encodeKeySummary({ kvno, state, createdAt }: KeySummary): Value[] {
  return [kvno, state, createdAt]
}

function decodeKeySummary(value: Value): KeySummary {
  const [kvno, state, createdAt] = fields(value, 3)
  return { kvno: kvnoOf(kvno), state: oneOf(state, KEY_STATES), createdAt: numberOf(createdAt) }
}

/** The result of `next-key`: which kvno was staged, and what the holder derives the key from. */
export interface StagedKey {
  readonly kvno: number
  /** 32 bytes, which are no secret without the current key. */
  readonly salt: Uint8Array
}

export function encodeStagedKey({ kvno, salt }: StagedKey): Value[] {
  return [kvno, salt]
}

/** The salt is a copy. @throws OrthrusError `malformed` */
export function decodeStagedKey(results: readonly Value[]): StagedKey {
  const [kvno, salt] = fields(results, 2)
  return { kvno: kvnoOf(kvno), salt: bytesOf(salt, SIZE.KEY_SALT).slice() }
}

/** The result of `new-password`, whose argument is `encodePasswordKey`: the kvno of the new key. */
export function encodeKvno(kvno: number): Value[] {
  return [kvno]
}

/** @throws OrthrusError `malformed` */
export function decodeKvno(results: readonly Value[]): number {
  const [kvno] = fields(results, 1)
  return kvnoOf(kvno)
}

/** The result of `rotate`: the kvno of the fresh key of krbtgt or kdc; null if the holder was asked for one. */
export function encodeRotated(kvno: number | null): Value[] {
  return [kvno]
}

/** @throws OrthrusError `malformed` */
export function decodeRotated(results: readonly Value[]): number | null {
  const [kvno] = fields(results, 1)
  return nullable(kvno, kvnoOf)
}

/** The result of `replace-key`: the only key that the principal has now. */
export interface ReplacedKey {
  readonly kvno: number
  readonly key: LongTermKey
  /** The last entry of the revocation log that the change made. */
  readonly seq: number
}

export function encodeReplacedKey({ kvno, key, seq }: ReplacedKey): Value[] {
  return [kvno, revealKey(key), seq]
}

/** @throws OrthrusError `malformed` */
export function decodeReplacedKey(results: readonly Value[]): ReplacedKey {
  const [kvno, key, seq] = fields(results, 3)
  return { kvno: kvnoOf(kvno), key: longTermKeyOf(key), seq: numberOf(seq) }
}

/** `reset-password`: whose, and the key of the new one. */
export interface PasswordReset {
  readonly principal: Principal
  readonly password: PasswordKey
}

export function encodePasswordReset({ principal, password }: PasswordReset): Value[] {
  return [principal, encodePasswordKey(password)]
}

/** @throws OrthrusError `malformed` */
export function decodePasswordReset(args: readonly Value[]): PasswordReset {
  const [principal, password] = fields(args, 2)
  return { principal: principalOf(principal), password: decodePasswordKey(password) }
}

/** Each row of `due`: a principal whose current key is due to change. */
export interface DueKey {
  readonly principal: Principal
  readonly kvno: number
  readonly createdAt: number
  readonly due: number
  /** When an administrator asked for it; null if it is due by its age. */
  readonly askedAt: number | null
}

export function encodeDueKey({ principal, kvno, createdAt, due, askedAt }: DueKey): Value[] {
  return [principal, kvno, createdAt, due, askedAt]
}

/** @throws OrthrusError `malformed` */
export function decodeDueKey(value: Value | undefined): DueKey {
  const [principal, kvno, createdAt, due, askedAt] = fields(value, 5)
  return {
    principal: principalOf(principal),
    kvno: kvnoOf(kvno),
    createdAt: numberOf(createdAt),
    due: numberOf(due),
    askedAt: nullable(askedAt, numberOf),
  }
}

/** The result of `reset-password`. */
export interface PasswordWasReset {
  readonly kvno: number
  /** The last entry of the revocation log that the change made. */
  readonly seq: number
}

export function encodePasswordWasReset({ kvno, seq }: PasswordWasReset): Value[] {
  return [kvno, seq]
}

/** @throws OrthrusError `malformed` */
export function decodePasswordWasReset(results: readonly Value[]): PasswordWasReset {
  const [kvno, seq] = fields(results, 2)
  return { kvno: kvnoOf(kvno), seq: numberOf(seq) }
}
