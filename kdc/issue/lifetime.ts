import { SHORTENING } from '../limits/defaults.js'

/** How long tickets live: pure functions of values (docs/protocol.md section 7). All times in milliseconds. */

export interface LifetimeLimits {
  readonly now: number
  /** What the client asked for; 0 for the most allowed. */
  readonly lifetime: number
  /** Maxima of client, service, realm and policy; null where one sets none. */
  readonly lives: readonly (number | null)[]
  /** Times that no ticket may outlive: the TGT's end, each `expires`, renewTill; null where there is none. */
  readonly ends: readonly (number | null)[]
}

/**
 * The least of all limits, then shortened at random, never to nothing.
 * @param shortening from 0, not at all, to 1, by the most.
 */
export function endTimeOf({ now, lifetime, lives, ends }: LifetimeLimits, shortening: number): number {
  let longest = Number.MAX_SAFE_INTEGER - now
  if (lifetime !== 0) longest = Math.min(longest, lifetime)
  for (const life of lives) if (life !== null) longest = Math.min(longest, life)
  for (const end of ends) if (end !== null) longest = Math.min(longest, end - now)
  return now + Math.ceil(longest * (1 - SHORTENING * shortening))
}

/** Until when a TGT can be renewed, or null where renewing it would bring nothing. */
export function renewTillOf(now: number, endTime: number, maxima: readonly (number | null)[]): number | null {
  const longest = Math.min(Number.MAX_SAFE_INTEGER - now, ...maxima.filter(maximum => maximum !== null))
  return now + longest > endTime ? now + longest : null
}
