import { type History, ofKind, type Violation } from '../history.js'

/** Of those that hold one code no more come in than it is for. */
export function crowdedInvitations(history: History): Violation[] {
  const hosts = new Map<string, Set<string>>()
  const uses = new Map<string, number>()
  for (const { invitation, host, uses: allowed } of ofKind(history, 'joined')) {
    hosts.set(invitation, (hosts.get(invitation) ?? new Set()).add(host))
    uses.set(invitation, allowed)
  }
  return [...hosts].flatMap(([invitation, joined]): Violation[] => {
    const allowed = uses.get(invitation) ?? 0
    if (joined.size <= allowed) return []
    return [
      { rule: 'invitation', says: `${joined.size} hosts came in by ${invitation}, which is for ${allowed}` },
    ]
  })
}
