import { describeFollowers, type FollowersText } from '../../shared/administration/followers-text.js'
import type { Principal } from '../../shared/principal.js'
import type { Administration } from './administration.js'

/** What was revoked. */
export interface Revocation {
  /** The number of its last entry in the revocation log. */
  readonly seq: number
  /** Whose tickets or keys are revoked: their own channels ended with these. */
  readonly principals: readonly Principal[]
  /** The one that got a new key. */
  readonly renewed?: Principal
}

/**
 * Which services refuse by now what was revoked.
 * @param wait how long those that follow have to apply it, milliseconds
 */
export async function refusedBy(
  { revocations, settings }: Administration,
  { seq, principals, renewed }: Revocation,
  wait: number,
): Promise<FollowersText> {
  const followers = await revocations.followers({ seq, wait })
  const nobodyElse = followers.rows.every(row => row.seen < seq && principals.includes(row.principal))
  const { maxServiceLife, survive } = await settings.show()
  return describeFollowers(followers, seq, {
    revoked: principals,
    renewed,
    survive,
    ...(nobodyElse ? { maxServiceLife } : {}),
  })
}
