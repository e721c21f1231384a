import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  errorCodeOf,
  fields,
  listOf,
  nullable,
  numberOf,
  oneOf,
  principalOf,
  textOf,
} from '../encoding/fields.js'
import type { WireCode } from '../errors.js'
import type { Principal } from '../principal.js'
import { type Claims, decodeClaims, encodeClaims } from '../ticket/claims.js'
import { decodeOwnKeys, encodeOwnKeys, type OwnKeys } from './keys.js'
import { decodeFollowerRow, encodeFollowerRow, FOLLOWER_ROWS, type FollowerRow } from './revocations.js'
import type { PolicyRule, RuleRate } from './rule.js'
import { decodePolicyRule, decodeRuleRate, encodePolicyRule, encodeRuleRate } from './rules.js'

/** `why`: what the KDC would decide about a ticket, and from what (docs/protocol.md section 9). Times in milliseconds. */

/** `why`: the arguments. */
export interface WhyQuestion {
  readonly client: Principal
  readonly service: Principal
  /** The time to decide for, by KDC time; null for now. The records are always those of now. */
  readonly at: number | null
  /** The request that the ticket would be presented with; null if none is asked about. */
  readonly method: string | null
  /** The target: path and query. */
  readonly path: string | null
}

export function encodeWhyQuestion({ client, service, at, method, path }: WhyQuestion): Value[] {
  return [client, service, at, method, path]
}

export function decodeWhyQuestion(args: readonly Value[]): WhyQuestion {
  const [client, service, at, method, path] = fields(args, 5)
  return {
    client: principalOf(client),
    service: principalOf(service),
    at: nullable(at, numberOf),
    method: nullable(method, textOf),
    path: nullable(path, textOf),
  }
}

/** What became of a rule that matches the pair. */
export const RULE_FATES = ['decides', 'overruled', 'less specific', 'ended'] as const
export type RuleFate = (typeof RULE_FATES)[number]

export interface WeighedRule {
  readonly rule: PolicyRule
  /** `overruled` by a rule that denies. `ended` by its own `until`: it decides nothing, whatever it says. */
  readonly fate: RuleFate
}

/** The rate of the rule that decides. */
export interface WhyRate extends RuleRate {
  /** How many tickets the client has left, as this KDC counts; null if that is not told, or of another time than now. */
  readonly left: number | null
  /** How long it has none, milliseconds; 0 if it has, null as above. */
  readonly wait: number | null
}

/** A party to the ticket, as the KDC's records have it. */
export interface WhyParty extends OwnKeys {
  readonly passwordBased: boolean
  readonly disabled: boolean
  /** Null for never. */
  readonly expiresAt: number | null
  /** When its tickets were last revoked, and up to which kvno tickets for it were: null if the log does not say. */
  readonly revokedAt: number | null
  readonly revokedKvno: number | null
}

/** What bounds how long the ticket lives. */
export const LIFE_LIMITS = [
  'client',
  'service',
  'realm',
  'rule',
  'tgt',
  'caveat',
  'client expires',
  'service expires',
  'rule ends',
] as const
export type LifeLimit = (typeof LIFE_LIMITS)[number]

export interface WhyTicket {
  /** The latest time that it can end; the KDC shortens each ticket at random by up to a tenth. */
  readonly endTime: number
  /** Every bound that there is, and how long the ticket could live by it. The shortest decides. */
  readonly limits: readonly (readonly [limit: LifeLimit, life: number])[]
  readonly claims: Claims
  readonly caveats: readonly Uint8Array[]
  readonly delegable: boolean
  readonly passwordBased: boolean
  /** Which of its caveats refuses the request that was asked about; null if none does, or none was asked about. */
  readonly refusal: CaveatRefusal | null
}

export interface CaveatRefusal {
  readonly caveat: string
  readonly reason: string
}

/**
 * How much the caller is told: an administrator everything, an owner of the service everything but what concerns the
 * client, and a client that asks for itself what it could find out by asking for a ticket.
 */
export const WHY_SCOPES = ['everything', 'service', 'client'] as const
export type WhyScope = (typeof WHY_SCOPES)[number]

/** What the KDC would decide, and from what. */
export interface Why {
  /** The time that was decided for. */
  readonly at: number
  /** Null if the client gets a ticket. */
  readonly code: WireCode | null
  /** As the KDC's log would say it; empty if the client gets a ticket. */
  readonly reason: string
  readonly scope: WhyScope
  /** Null if there is no such principal, and for an owner of the service. */
  readonly client: WhyParty | null
  /** Null if there is no such principal, and for the client itself. */
  readonly service: WhyParty | null
  /** Those that match, ended ones too, the most specific first; for the client itself only the one that decides. */
  readonly rules: readonly WeighedRule[]
  /** Null if the client gets none. */
  readonly ticket: WhyTicket | null
  /** The processes of the service that follow what is revoked, or did. */
  readonly followers: readonly FollowerRow[]
  /** Null if the rule that decides has none. */
  readonly rate: WhyRate | null
  /** Rules that ended before this time may have been cleared away, and are then not known. Null for the client itself. */
  readonly endedSince: number | null
}

export function encodeWhy(why: Why): Value[] {
  const { at, code, reason, scope, client, service, rules, ticket, followers, rate, endedSince } = why
  return [
    at,
    code,
    reason,
    scope,
    client && encodeParty(client),
    service && encodeParty(service),
    rules.map(({ rule, fate }) => [encodePolicyRule(rule), fate]),
    ticket && encodeTicket(ticket),
    followers.map(encodeFollowerRow),
    rate && [encodeRuleRate(rate), rate.left, rate.wait],
    endedSince,
  ]
}

/** @throws OrthrusError `malformed` */
export function decodeWhy(results: readonly Value[]): Why {
  const list = fields(results, 11)
  const [at, code, reason, scope, client, service, rules, ticket, followers, rate, endedSince] = list
  return {
    at: numberOf(at),
    code: nullable(code, errorCodeOf),
    reason: textOf(reason),
    scope: oneOf(scope, WHY_SCOPES),
    client: nullable(client, partyOf),
    service: nullable(service, partyOf),
    rules: listOf(rules).map(weighedRuleOf),
    ticket: nullable(ticket, ticketOf),
    followers: listOf(followers, FOLLOWER_ROWS).map(decodeFollowerRow),
    rate: nullable(rate, rateOf),
    endedSince: nullable(endedSince, numberOf),
  }
}

function rateOf(value: Value | undefined): WhyRate {
  const [rate, left, wait] = fields(value, 3)
  return { ...decodeRuleRate(rate), left: nullable(left, numberOf), wait: nullable(wait, numberOf) }
}

function encodeParty(party: WhyParty): Value[] {
  const { passwordBased, disabled, expiresAt, revokedAt, revokedKvno } = party
  return [encodeOwnKeys(party), passwordBased, disabled, expiresAt, revokedAt, revokedKvno]
}

function partyOf(value: Value | undefined): WhyParty {
  const [keys, passwordBased, disabled, expiresAt, revokedAt, revokedKvno] = fields(value, 6)
  return {
    ...decodeOwnKeys(listOf(keys)),
    passwordBased: booleanOf(passwordBased),
    disabled: booleanOf(disabled),
    expiresAt: nullable(expiresAt, numberOf),
    revokedAt: nullable(revokedAt, numberOf),
    revokedKvno: nullable(revokedKvno, numberOf),
  }
}

function weighedRuleOf(value: Value): WeighedRule {
  const [rule, fate] = fields(value, 2)
  return { rule: decodePolicyRule(rule), fate: oneOf(fate, RULE_FATES) }
}

function encodeTicket(ticket: WhyTicket): Value[] {
  const { endTime, limits, claims, caveats, delegable, passwordBased, refusal } = ticket
  const bounds = limits.map(([limit, life]) => [limit, life])
  return [
    endTime,
    bounds,
    encodeClaims(claims),
    [...caveats],
    delegable,
    passwordBased,
    refusal && [refusal.caveat, refusal.reason],
  ]
}

function ticketOf(value: Value | undefined): WhyTicket {
  const [endTime, limits, claims, caveats, delegable, passwordBased, refusal] = fields(value, 7)
  return {
    endTime: numberOf(endTime),
    limits: listOf(limits).map(limitOf),
    claims: decodeClaims(claims),
    caveats: listOf(caveats).map(caveat => bytesOf(caveat).slice()),
    delegable: booleanOf(delegable),
    passwordBased: booleanOf(passwordBased),
    refusal: nullable(refusal, refusalOf),
  }
}

function refusalOf(value: Value | undefined): CaveatRefusal {
  const [caveat, reason] = fields(value, 2)
  return { caveat: textOf(caveat), reason: textOf(reason) }
}

function limitOf(value: Value): readonly [LifeLimit, number] {
  const [limit, life] = fields(value, 2)
  return [oneOf(limit, LIFE_LIMITS), numberOf(life)]
}
