import type { Pattern } from '../pattern.js'
import type { Claims } from '../ticket/claims.js'

/** What a rule of policy says. It needs no encoding, so that whatever only shows rules loads none. */

/** A policy rule, as in `allow`, `deny` and each row of `policy`. A matching denial always wins. */
export interface PolicyRule {
  readonly client: Pattern
  readonly service: Pattern
  readonly effect: 'allow' | 'deny'
  /** Put into each ticket that the rule grants. */
  readonly claims: Claims
  /** Milliseconds; null means the realm's. */
  readonly maxLife: number | null
  /** Become caveats in each ticket that the rule grants; null means no restriction. */
  readonly methods: readonly string[] | null
  readonly paths: readonly string[] | null
  readonly delegable: boolean
  /** When the rule ends, milliseconds of KDC time; null for never. No ticket that it grants lives longer. */
  readonly until: number | null
  /** How many tickets each client gets by this rule in an interval; null for no limit but the KDC's own. */
  readonly rate: RuleRate | null
}

/** A number of tickets in an interval, which begins with the first of them. */
export interface RuleRate {
  readonly points: number
  /** Milliseconds. */
  readonly interval: number
}

/** What a rule says if it says nothing but its effect. */
export const NO_TERMS = {
  claims: [],
  maxLife: null,
  methods: null,
  paths: null,
  delegable: false,
  until: null,
  rate: null,
} as const satisfies Omit<PolicyRule, 'client' | 'service' | 'effect'>

/** Whether the rule has ended and decides nothing any more. @param now KDC time, milliseconds */
export function isOver({ until }: Pick<PolicyRule, 'until'>, now: number): boolean {
  return until !== null && now >= until
}

/** Names a rule that decided about a ticket: its pair of patterns, and what it says of them. */
export type DecidingRule = Pick<PolicyRule, 'client' | 'service' | 'effect'>
