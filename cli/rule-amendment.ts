import { isOver, NO_TERMS, type PolicyRule, type RuleRate } from '../shared/administration/rule.js'
import type { Pattern } from '../shared/pattern.js'
import { compareNames } from '../shared/ticket/claim-names.js'
import type { Claims } from '../shared/ticket/claims.js'
import { type ClaimArgument, collectClaims, type End, instantOf } from './arguments.js'
import type { ConnectionOptions } from './connection.js'

/** Applies the options of `orthrus admin allow` to the existing rule. What they do not name stays. */

/** Undefined if an option was not given, false if it was given as `--no-...`. */
export interface AllowOptions extends ConnectionOptions {
  readonly claim?: ClaimArgument[]
  readonly noClaim?: string[]
  readonly maxLife?: number | false
  readonly methods?: string[] | false
  readonly paths?: string[] | false
  readonly delegable?: boolean
  readonly until?: End | false
  readonly rate?: RuleRate | false
  readonly replace?: boolean
}

/** @throws TypeError for options that contradict each other */
export function requireConsistent({ claim = [], noClaim = [] }: AllowOptions): void {
  const both = claim.find(([name]) => noClaim.includes(name))
  if (both !== undefined) {
    throw new TypeError(
      `--claim ${both[0]}=... and --no-claim ${both[0]} contradict each other: give one of them`,
    )
  }
}

/** The rule of a pair that says nothing but its effect. */
export function bareRule(client: Pattern, service: Pattern, effect: PolicyRule['effect']): PolicyRule {
  return { client, service, effect, ...NO_TERMS }
}

/**
 * @param before null if there is no rule. Nothing of a denial is kept: it has no terms; nor of a rule that has ended
 * @param now KDC time, milliseconds
 */
export function amendRule(
  client: Pattern,
  service: Pattern,
  before: PolicyRule | null,
  options: AllowOptions,
  now: number,
): PolicyRule {
  const isKept = before?.effect === 'allow' && !isOver(before, now) && options.replace !== true
  const kept = isKept ? before : bareRule(client, service, 'allow')
  return {
    ...kept,
    claims: amendClaims(kept.claims, options),
    maxLife: amendTerm(kept.maxLife, options.maxLife),
    methods: amendTerm(kept.methods, options.methods),
    paths: amendTerm(kept.paths, options.paths),
    delegable: options.delegable ?? kept.delegable,
    until: amendTerm(kept.until, options.until && instantOf(options.until, now)),
    rate: amendTerm(kept.rate, options.rate),
  }
}

function amendTerm<T>(kept: T | null, option: T | false | undefined): T | null {
  if (option === undefined) return kept
  return option === false ? null : option
}

/** A claim that is named again has only its new values. */
function amendClaims(kept: Claims, { claim = [], noClaim = [] }: AllowOptions): Claims {
  const named = collectClaims(claim)
  const gone = new Set([...noClaim, ...named.map(([name]) => name)])
  return [...kept.filter(([name]) => !gone.has(name)), ...named].sort(([a], [b]) => compareNames(a, b))
}
