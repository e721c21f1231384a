import { LIMIT, SIZE } from '../constants.js'
import { LongTermKey, revealKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  fields,
  kvnoOf,
  listOf,
  nullable,
  numberOf,
  patternOf,
  principalOf,
  textOf,
} from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { PasswordParameters } from '../exchange/params.js'
import type { Pattern } from '../pattern.js'
import type { Principal } from '../principal.js'
import { type Claims, decodeClaims, encodeClaims } from '../ticket/claims.js'

/**
 * The administration of a realm: the methods of `kdc@realm` with their arguments and results, encoded and decoded
 * side by side. All need the claim `role` = `admin` in the ticket (docs/protocol.md section 9).
 *
 * | method | arguments | results |
 * |---|---|---|
 * | `add` | `encodeNewPrincipal` | `encodeAddedPrincipal` |
 * | `show` | principal | `[summary]` |
 * | `disable` `enable` `remove` | principal | none |
 * | `allow` `deny` | `encodeRuleChange` | none |
 * | `rule` | client, service | `[rule]`, or `[nil]` where there is none |
 * | `forget` | client, service | none |
 * | `list` | the last one seen, `[principal]` or nil; limit | `[[summary, ...]]` |
 * | `policy` | the last one seen, `[client, service]` or nil; limit | `[[rule, ...]]` |
 */
export const ADMIN_METHODS = [
  'add',
  'show',
  'list',
  'disable',
  'enable',
  'remove',
  'allow',
  'deny',
  'rule',
  'forget',
  'policy',
] as const
export type AdminMethod = (typeof ADMIN_METHODS)[number]

/** The most rows that `list` and `policy` return. The caller asks for the rest with `after`. */
export const PAGE_ROWS = 100

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
    maxLife: nullable(maxLife, positiveOf),
    maxRenew: nullable(maxRenew, positiveOf),
  }
}

function decodePassword(value: Value | undefined): NonNullable<NewPrincipal['password']> {
  const [log2N, r, p, salt, key] = fields(value, 5)
  return {
    parameters: { log2N: numberOf(log2N), r: numberOf(r), p: numberOf(p), salt: bytesOf(salt, SIZE.SALT) },
    key: new LongTermKey(bytesOf(key, SIZE.KEY).slice()),
  }
}

function positiveOf(value: Value | undefined): number {
  const number = numberOf(value)
  if (number === 0) throw malformed('a lifetime of 0')
  return number
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

/** A policy rule, as in `allow`, `deny` and each row of `policy`. A matching denial always wins. */
export interface PolicyRule {
  readonly client: Pattern
  readonly service: Pattern
  readonly effect: 'allow' | 'deny'
  /** Put into each ticket that the rule grants. */
  readonly claims: Claims
  /** Milliseconds; null the realm's. */
  readonly maxLife: number | null
  /** Become caveats in each ticket that the rule grants; null restricts nothing. */
  readonly methods: readonly string[] | null
  readonly paths: readonly string[] | null
  readonly delegable: boolean
}

export function encodePolicyRule(rule: PolicyRule): Value[] {
  return [
    rule.client,
    rule.service,
    rule.effect,
    encodeClaims(rule.claims),
    rule.maxLife,
    rule.methods && [...rule.methods],
    rule.paths && [...rule.paths],
    rule.delegable,
  ]
}

export function decodePolicyRule(value: Value | readonly Value[] | undefined): PolicyRule {
  const list = fields(value, RULE_FIELDS)
  return {
    client: patternOf(list[0]),
    service: patternOf(list[1]),
    effect: effectOf(list[2]),
    claims: decodeClaims(list[3]),
    maxLife: nullable(list[4], positiveOf),
    methods: nullable(list[5], caveatTextsOf),
    paths: nullable(list[6], caveatTextsOf),
    delegable: booleanOf(list[7]),
  }
}

/** The arguments of `allow` and `deny`: the rule to store and, optionally, the rule that its pair must have now. */
export interface RuleChange {
  readonly rule: PolicyRule
  /**
   * The rule that the caller read before, or null if there was none. The change is refused if there is another rule by
   * now, so that no administrator unknowingly undoes what another did. Undefined replaces whatever is there.
   */
  readonly before: PolicyRule | null | undefined
}

const RULE_FIELDS = 8

export function encodeRuleChange({ rule, before }: RuleChange): Value[] {
  if (before === undefined) return encodePolicyRule(rule)
  return [...encodePolicyRule(rule), before && encodePolicyRule(before)]
}

export function decodeRuleChange(args: readonly Value[]): RuleChange {
  if (args.length === RULE_FIELDS) return { rule: decodePolicyRule(args), before: undefined }
  const list = fields(args, RULE_FIELDS + 1)
  return {
    rule: decodePolicyRule(list.slice(0, RULE_FIELDS)),
    before: nullable(list[RULE_FIELDS], decodePolicyRule),
  }
}

/** Whether both rules say the same. Null means that there is no rule. */
export function isSameRule(one: PolicyRule | null, other: PolicyRule | null): boolean {
  const [left, right] = [one, other].map(rule => JSON.stringify(rule && encodePolicyRule(rule)))
  return left === right
}

/** Each takes at least one byte of the space for a ticket's caveats. */
function caveatTextsOf(value: Value | undefined): string[] {
  return listOf(value, LIMIT.CAVEATS_BYTES).map(textOf)
}

function effectOf(value: Value | undefined): PolicyRule['effect'] {
  const effect = textOf(value)
  if (effect !== 'allow' && effect !== 'deny') throw malformed('a rule allows or denies')
  return effect
}
