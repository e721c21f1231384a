import { HOUR } from '../time.js'

/**
 * When tickets in use are replaced by fresh ones: tuning, not protocol. Clients go by it, and a KDC that is to be away for
 * long gives tickets a life by it.
 */

/** A ticket is replaced when this share of its life has passed, */
const SHARE_PASSED = 0.8
/** or this one of a long life, once it is that old: what is left of a long life is for outages. */
const LONG = { SHARE_PASSED: 0.25, AGE: 8 * HOUR } as const

/** How old a ticket that lives this long is when it is replaced, milliseconds. */
export function ageAtRefresh(life: number): number {
  return Math.min(SHARE_PASSED * life, Math.max(LONG.SHARE_PASSED * life, LONG.AGE))
}

/** The shortest life of which at least this much is left when the ticket is replaced, milliseconds. */
export function lifeThatLeaves(left: number): number {
  return Math.min(left / (1 - SHARE_PASSED), Math.max(left / (1 - LONG.SHARE_PASSED), left + LONG.AGE))
}
