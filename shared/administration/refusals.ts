import type { Value } from '../encoding/encoding.js'
import {
  errorCodeOf,
  fields,
  listOf,
  nullable,
  numberOf,
  oneOf,
  patternOf,
  principalOf,
  textOf,
} from '../encoding/fields.js'
import { isRefusalId } from '../encoding/refusal-id.js'
import { malformed, type WireCode } from '../errors.js'
import type { Principal } from '../principal.js'
import type { DecidingRule } from './rule.js'

/** `refusal`: what the KDC knows of the request that it refused under an id (docs/protocol.md section 11). */

export const REFUSED_EXCHANGES = ['AS', 'TGS', 'AP-OPEN', 'administration'] as const

/** One refusal. Times in milliseconds, KDC time. */
export interface KeptRefusal {
  readonly id: string
  readonly at: number
  /** Null if that is not known. */
  readonly exchange: (typeof REFUSED_EXCHANGES)[number] | null
  /** Who proved its key; null if nobody did. */
  readonly client: Principal | null
  /** The name in a request that nobody proved. */
  readonly claimed: string | null
  /** For which a ticket was denied; null if the whole request was refused. */
  readonly service: Principal | null
  readonly code: WireCode
  readonly reason: string
  readonly rule: DecidingRule | null
  readonly hint: string | null
}

/** One request can be denied tickets for 32 services. */
const ROWS = 64

/** `refusal`: the arguments. */
export interface RefusalQuestion {
  readonly id: string
  /** Where the search of the audit log goes on, as `next` said; null for the first page. */
  readonly before: number | null
}

/** A page of what was found. */
export interface FoundRefusals {
  readonly refusals: readonly KeptRefusal[]
  /** What to ask for the page behind; null if something was found, or the search is over. */
  readonly next: number | null
  /** How far back the audit log was gone through; null if it was not, or has no lines. */
  readonly since: number | null
}

export function encodeRefusalQuestion({ id, before }: RefusalQuestion): Value[] {
  return [id, before]
}

/** @throws OrthrusError `malformed` */
export function decodeRefusalQuestion(args: readonly Value[]): RefusalQuestion {
  const [value, before] = fields(args, 2)
  const id = textOf(value)
  if (!isRefusalId(id)) throw malformed('the id of a refusal is 12 hex digits')
  return { id, before: nullable(before, numberOf) }
}

export function encodeRefusals({ refusals, next, since }: FoundRefusals): Value[] {
  return [refusals.slice(0, ROWS).map(encodeOne), next, since]
}

/** @throws OrthrusError `malformed` */
export function decodeRefusals(results: readonly Value[]): FoundRefusals {
  const [rows, next, since] = fields(results, 3)
  return {
    refusals: listOf(rows, ROWS).map(refusalOf),
    next: nullable(next, numberOf),
    since: nullable(since, numberOf),
  }
}

function encodeOne(refusal: KeptRefusal): Value[] {
  const { id, at, exchange, client, claimed, service, code, reason, rule, hint } = refusal
  const named = rule && [rule.client, rule.service, rule.effect]
  return [id, at, exchange, client, claimed, service, code, reason, named, hint]
}

function refusalOf(value: Value): KeptRefusal {
  const [id, at, exchange, client, claimed, service, code, reason, rule, hint] = fields(value, 10)
  return {
    id: textOf(id),
    at: numberOf(at),
    exchange: nullable(exchange, text => oneOf(text, REFUSED_EXCHANGES)),
    client: nullable(client, principalOf),
    claimed: nullable(claimed, textOf),
    service: nullable(service, principalOf),
    code: errorCodeOf(code),
    reason: textOf(reason),
    rule: nullable(rule, ruleOf),
    hint: nullable(hint, textOf),
  }
}

function ruleOf(value: Value | undefined): DecidingRule {
  const [client, service, effect] = fields(value, 3)
  return { client: patternOf(client), service: patternOf(service), effect: oneOf(effect, ['allow', 'deny']) }
}
