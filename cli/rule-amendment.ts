import { isOver, NO_TERMS, type PolicyRule, type RuleRate } from '../shared/administration/rule.js'
import { OrthrusError } from '../shared/errors.js'
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
  readonly renew?: boolean
}

/** @throws TypeError for options that contradict each other */
export function requireConsistent({ claim = [], noClaim = [], renew, replace }: AllowOptions): void {
  if (renew === true && replace === true)
    throw new TypeError('--renew and --replace contradict each other: give one of them')
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
 * @param before null if there is no rule. Nothing of a denial is kept: it has no terms; nor of a rule that has ended, unless
 * it is to be renewed
 * @param now KDC time, milliseconds
 * @throws OrthrusError `malformed` if there is no rule to renew, or it would have ended already
 */
export function amendRule(
  client: Pattern,
  service: Pattern,
  before: PolicyRule | null,
  options: AllowOptions,
  now: number,
): PolicyRule {
  const renewed = options.renew === true ? requireRenewable(before, options, now) : undefined
  const isKept = before?.effect === 'allow' && !isOver(before, now) && options.replace !== true
  const kept = renewed ?? (isKept ? before : bareRule(client, service, 'allow'))
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

/** What it gave is not granted again by a slip: the end that it had must be named again, or taken away. */
function requireRenewable(before: PolicyRule | null, { until }: AllowOptions, now: number): PolicyRule {
  if (before?.effect !== 'allow')
    throw new OrthrusError('malformed', 'there is no rule of this pair to renew', {
      hint: 'a rule is known for a day after its end: orthrus admin policy shows those that are. Without --renew this makes a new one',
    })
  if (until === undefined && isOver(before, now))
    throw new OrthrusError(
      'malformed',
      'the rule has ended: renewed like this, it would have ended already',
      {
        hint: 'say until when: --until 7d, or --no-until',
      },
    )
  return before
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
