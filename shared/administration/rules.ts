import { LIMIT } from '../constants.js'
import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  fields,
  lifetimeOf,
  nullable,
  numberOf,
  oneOf,
  patternOf,
  textsOf,
} from '../encoding/fields.js'
import { malformed } from '../errors.js'
import { decodeClaims, encodeClaims } from '../ticket/claims.js'
import type { PolicyRule, RuleRate } from './rule.js'

/** How the methods of administration send the rules of policy (docs/protocol.md section 9). */

const RULE_FIELDS = 10

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
    rule.until,
    rule.rate && encodeRuleRate(rule.rate),
  ]
}

export function encodeRuleRate({ points, interval }: RuleRate): Value[] {
  return [points, interval]
}

/** @throws OrthrusError `malformed` */
export function decodeRuleRate(value: Value | undefined): RuleRate {
  const [points, interval] = fields(value, 2)
  const rate = { points: numberOf(points), interval: lifetimeOf(interval) }
  if (rate.points === 0) throw malformed('a rate of 0: deny it instead')
  return rate
}

export function decodePolicyRule(value: Value | readonly Value[] | undefined): PolicyRule {
  const list = fields(value, RULE_FIELDS)
  return {
    client: patternOf(list[0]),
    service: patternOf(list[1]),
    effect: oneOf(list[2], ['allow', 'deny']),
    claims: decodeClaims(list[3]),
    maxLife: nullable(list[4], lifetimeOf),
    methods: nullable(list[5], caveatTextsOf),
    paths: nullable(list[6], caveatTextsOf),
    delegable: booleanOf(list[7]),
    until: nullable(list[8], numberOf),
    rate: nullable(list[9], decodeRuleRate),
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
  return textsOf(value, LIMIT.CAVEATS_BYTES)
}
