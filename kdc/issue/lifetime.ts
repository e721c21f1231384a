import { SHORTENING } from '../limits/defaults.js'

/** How long tickets live: pure functions of values (docs/protocol.md section 7). All times in milliseconds. */

export interface LifetimeLimits {
  readonly now: number
  /** What the client asked for; 0 asks for the longest that is allowed. */
  readonly lifetime: number
  /** The maxima of client, service, realm and policy; null for no maximum. */
  readonly lives: readonly (number | null)[]
  /** Times that the ticket must not outlive: the end of the TGT, each `expires`, renewTill; null for no such time. */
  readonly ends: readonly (number | null)[]
}

/**
 * The earliest time that all limits allow, shortened at random, but never to nothing.
 * @param shortening from 0 (not shortened) to 1 (shortened as much as possible)
 */
export function endTimeOf({ now, lifetime, lives, ends }: LifetimeLimits, shortening: number): number {
  let longest = Number.MAX_SAFE_INTEGER - now
  if (lifetime !== 0) longest = Math.min(longest, lifetime)
  for (const life of lives) if (life !== null) longest = Math.min(longest, life)
  for (const end of ends) if (end !== null) longest = Math.min(longest, end - now)
  return now + Math.ceil(longest * (1 - SHORTENING * shortening))
}

/** Until when a TGT can be renewed; null if renewal could not make it last longer. */
export function renewTillOf(now: number, endTime: number, maxima: readonly (number | null)[]): number | null {
  const longest = Math.min(Number.MAX_SAFE_INTEGER - now, ...maxima.filter(maximum => maximum !== null))
  return now + longest > endTime ? now + longest : null
}
