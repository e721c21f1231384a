import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { endOf } from '../../shared/channel/opening.js'
import { OrthrusError } from '../../shared/errors.js'
import { nowBy } from '../../shared/time.js'
import { type Cancel, inBackground, runAfter } from '../../shared/timers.js'
import type { ServiceParts } from './service.js'

/** Calls `end` once the first of the request's tickets and `expires` caveats has ended (section 8, Sealed bodies). */
export function whenTicketsEnd(
  verified: VerifiedRequest,
  { clock, timers, revocation }: ServiceParts,
  end: (cause: OrthrusError) => void,
): Cancel {
  const endTime = endOf(verified)
  let cancel: Cancel = () => {}
  // A timer may fire before the clock has reached that time.
  const look = (): void => {
    const left = endTime - (revocation === undefined ? clock.now() : revocation.endClock(nowBy(clock)))
    if (left > 0) cancel = runAfter(inBackground(timers), left, look)
    else end(ended(verified))
  }
  look()
  return () => cancel()
}

function ended({ client }: VerifiedRequest): OrthrusError {
  return new OrthrusError('ticket_expired', `a ticket of ${client} ended while a stream went on`, {
    principal: client,
    hint: 'give the tickets a longer life, or let streams go on with requireTicket({ streamsOutliveTickets: true })',
  })
}
