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

/** `refusal`: what the KDC remembers of the request that it refused under an id (docs/protocol.md section 11). */

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

export function encodeRefusalQuestion(id: string): Value[] {
  return [id]
}

export function decodeRefusalQuestion(args: readonly Value[]): string {
  const [value] = fields(args, 1)
  const id = textOf(value)
  if (!isRefusalId(id)) throw malformed('the id of a refusal is 12 hex digits')
  return id
}

export function encodeRefusals(refusals: readonly KeptRefusal[]): Value[] {
  return [refusals.slice(0, ROWS).map(encodeOne)]
}

/** @throws OrthrusError `malformed` */
export function decodeRefusals(results: readonly Value[]): KeptRefusal[] {
  const [rows] = fields(results, 1)
  return listOf(rows, ROWS).map(refusalOf)
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
