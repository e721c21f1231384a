import type { History, Violation } from '../history.js'
import { failedCalls, type Patience, slowTickets } from './availability.js'
import { goneBack } from './gone-back.js'
import { crowdedInvitations } from './invitations.js'
import { keyFaults, refusedTickets } from './keys.js'
import { lateDenials } from './late-denials.js'
import { lateGrants, unheardSeals } from './late-grants.js'
import { lateRefusals } from './late-refusals.js'
import { doubledEntries, lostChanges } from './lost-changes.js'

export interface Bounds extends Patience {
  /** How long services go on without a KDC, milliseconds. */
  readonly staleness: number
}

/** Everything in a history that the design promises cannot happen. */
export function check(history: History, bounds: Bounds): Violation[] {
  return [
    ...lostChanges(history),
    ...doubledEntries(history),
    ...unheardSeals(history),
    ...lateGrants(history),
    ...lateDenials(history),
    ...goneBack(history),
    ...keyFaults(history),
    ...refusedTickets(history),
    ...lateRefusals(history, bounds.staleness),
    ...crowdedInvitations(history),
    ...failedCalls(history, bounds),
    ...slowTickets(history, bounds),
  ]
}
