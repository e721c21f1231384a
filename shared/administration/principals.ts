import { SIZE } from '../constants.js'
import { LongTermKey, revealKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  fields,
  kvnoOf,
  lifetimeOf,
  listOf,
  nullable,
  numberOf,
  principalOf,
} from '../encoding/fields.js'
import type { PasswordParameters } from '../exchange/params.js'
import type { Principal } from '../principal.js'

/** What the methods of administration say about principals (docs/protocol.md section 9). */

/** `add`: registers a principal. */
export interface NewPrincipal {
  readonly principal: Principal
  /** A key that the caller made from a password. Without one the KDC draws a key and returns it. */
  readonly password: { readonly parameters: PasswordParameters; readonly key: LongTermKey } | null
  /** Milliseconds since the epoch; null means never. */
  readonly expiresAt: number | null
  /** Milliseconds; null the realm's. */
  readonly maxLife: number | null
  readonly maxRenew: number | null
}

export function encodeNewPrincipal(added: NewPrincipal): Value[] {
  return [
    added.principal,
    added.password && encodePassword(added.password),
    added.expiresAt,
    added.maxLife,
    added.maxRenew,
  ]
}

function encodePassword({ parameters, key }: NonNullable<NewPrincipal['password']>): Value[] {
  const { log2N, r, p, salt } = parameters
  return [log2N, r, p, salt, revealKey(key)]
}

export function decodeNewPrincipal(args: readonly Value[]): NewPrincipal {
  const [principal, password, expiresAt, maxLife, maxRenew] = fields(args, 5)
  return {
    principal: principalOf(principal),
    password: nullable(password, decodePassword),
    expiresAt: nullable(expiresAt, numberOf),
    maxLife: nullable(maxLife, lifetimeOf),
    maxRenew: nullable(maxRenew, lifetimeOf),
  }
}

function decodePassword(value: Value | undefined): NonNullable<NewPrincipal['password']> {
  const [log2N, r, p, salt, key] = fields(value, 5)
  return {
    parameters: { log2N: numberOf(log2N), r: numberOf(r), p: numberOf(p), salt: bytesOf(salt, SIZE.SALT) },
    key: new LongTermKey(bytesOf(key, SIZE.KEY).slice()),
  }
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
    key: nullable(key, bytes => new LongTermKey(bytesOf(bytes, SIZE.KEY).slice())),
  }
}

/** The result of `show`, and each row of `list`. Times are milliseconds since the epoch. */
export interface PrincipalSummary {
  readonly principal: Principal
  /** The newest first. */
  readonly kvnos: readonly number[]
  readonly passwordBased: boolean
  readonly disabled: boolean
  readonly expiresAt: number | null
  readonly maxLife: number | null
  readonly maxRenew: number | null
  readonly createdAt: number
  readonly changedAt: number
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
  ]
}

export function decodePrincipalSummary(value: Value | undefined): PrincipalSummary {
  const list = fields(value, 9)
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
  }
}
