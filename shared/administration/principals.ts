import { type LongTermKey, revealKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  fields,
  groupOf,
  kvnoOf,
  lifetimeOf,
  listOf,
  longTermKeyOf,
  nullable,
  numberOf,
  principalOf,
} from '../encoding/fields.js'
import {
  decodePasswordParameters,
  encodePasswordParameters,
  type PasswordParameters,
} from '../exchange/params.js'
import type { Pattern } from '../pattern.js'
import type { Principal } from '../principal.js'

/** What the methods of administration say about principals (docs/protocol.md section 9). */

/** The limits of a principal: what an administrator may give it, what its summary reports, and what the KDC stores. */
export interface PrincipalLimits {
  /** Milliseconds since the epoch; null means never. */
  readonly expiresAt: number | null
  /** The longest life of its tickets, milliseconds; null means the realm's. */
  readonly maxLife: number | null
  /** How long its tickets can be renewed, milliseconds; null means the realm's. */
  readonly maxRenew: number | null
}

/** The realm's limits. */
export const NO_LIMITS: PrincipalLimits = { expiresAt: null, maxLife: null, maxRenew: null }

/** What both the record of a principal and its summary contain. Times are milliseconds since the epoch. */
export interface PrincipalState extends PrincipalLimits {
  readonly disabled: boolean
  readonly createdAt: number
  readonly changedAt: number
}

/** A key that was made from a password, and how. */
export interface PasswordKey {
  readonly parameters: PasswordParameters
  readonly key: LongTermKey
}

/** `add`: registers a principal. */
export interface NewPrincipal extends PrincipalLimits {
  readonly principal: Principal
  /** A key that the caller made from a password. Without one the KDC draws a key and returns it. */
  readonly password: PasswordKey | null
}

export function encodeNewPrincipal(added: NewPrincipal): Value[] {
  return [
    added.principal,
    added.password && encodePasswordKey(added.password),
    added.expiresAt,
    added.maxLife,
    added.maxRenew,
  ]
}

/** `[log2N, r, p, salt16, key32]` */
export function encodePasswordKey({ parameters, key }: PasswordKey): Value[] {
  return [...encodePasswordParameters(parameters), revealKey(key)]
}

export function decodeNewPrincipal(args: readonly Value[]): NewPrincipal {
  const [principal, password, expiresAt, maxLife, maxRenew] = fields(args, 5)
  return {
    principal: principalOf(principal),
    password: nullable(password, decodePasswordKey),
    expiresAt: nullable(expiresAt, numberOf),
    maxLife: nullable(maxLife, lifetimeOf),
    maxRenew: nullable(maxRenew, lifetimeOf),
  }
}

/** @throws OrthrusError `malformed` */
export function decodePasswordKey(value: Value | readonly Value[] | undefined): PasswordKey {
  const list = fields(value, 5)
  return { parameters: decodePasswordParameters(list.slice(0, 4)), key: longTermKeyOf(list[4]) }
}

/** The result of `add`: the kvno, and the key if the KDC drew it. */
export interface AddedPrincipal {
  readonly kvno: number
  readonly key: LongTermKey | null
}

export function encodeAddedPrincipal({ kvno, key }: AddedPrincipal): Value[] {
  return [kvno, key && revealKey(key)]
}

export function decodeAddedPrincipal(results: readonly Value[]): AddedPrincipal {
  const [kvno, key] = fields(results, 2)
  return {
    kvno: kvnoOf(kvno),
    key: nullable(key, longTermKeyOf),
  }
}

/** The result of `show`, and each row of `list`. */
export interface PrincipalSummary extends PrincipalState {
  readonly principal: Principal
  /** The newest first. */
  readonly kvnos: readonly number[]
  /** When its current key was made; null if it has none. */
  readonly keyCreatedAt: number | null
  readonly passwordBased: boolean
  /** In the order of their names. */
  readonly groups: readonly Pattern[]
}

export function encodePrincipalSummary(summary: PrincipalSummary): Value[] {
  return [
    summary.principal,
    [...summary.kvnos],
    summary.passwordBased,
    summary.disabled,
    summary.expiresAt,
    summary.maxLife,
    summary.maxRenew,
    summary.createdAt,
    summary.changedAt,
    [...summary.groups],
    summary.keyCreatedAt,
  ]
}

export function decodePrincipalSummary(value: Value | undefined): PrincipalSummary {
  const list = fields(value, 11)
  return {
    principal: principalOf(list[0]),
    kvnos: listOf(list[1]).map(kvnoOf),
    passwordBased: booleanOf(list[2]),
    disabled: booleanOf(list[3]),
    expiresAt: nullable(list[4], numberOf),
    maxLife: nullable(list[5], numberOf),
    maxRenew: nullable(list[6], numberOf),
    createdAt: numberOf(list[7]),
    changedAt: numberOf(list[8]),
    groups: listOf(list[9]).map(groupOf),
    keyCreatedAt: nullable(list[10], numberOf),
  }
}
