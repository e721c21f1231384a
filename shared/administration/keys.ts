import { SIZE } from '../constants.js'
import type { Value } from '../encoding/encoding.js'
import {
  bytesOf,
  fields,
  kvnoOf,
  listOf,
  nullable,
  numberOf,
  oneOf,
  principalOf,
} from '../encoding/fields.js'
import type { Principal } from '../principal.js'

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

/** The result of `rotate`: the kvno of the fresh key of krbtgt or kdc; null if the holder was asked for one. */
export function encodeRotated(kvno: number | null): Value[] {
  return [kvno]
}

/** @throws OrthrusError `malformed` */
export function decodeRotated(results: readonly Value[]): number | null {
  const [kvno] = fields(results, 1)
  return nullable(kvno, kvnoOf)
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
