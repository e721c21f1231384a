import type { InvitationSummary } from '../../shared/administration/invitations.js'

export type InvitationState = 'open' | 'used up' | 'withdrawn' | 'ended'

/** What became of an invitation. @param now KDC time, milliseconds */
export function stateOfInvitation(
  { uses, used, withdrawn, endsAt }: InvitationSummary,
  now: number,
): InvitationState {
  if (used >= uses) return 'used up'
  if (withdrawn) return 'withdrawn'
  return endsAt <= now ? 'ended' : 'open'
}
