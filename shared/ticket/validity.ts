import { WINDOW } from '../constants.js'
import { OrthrusError } from '../errors.js'
import type { OpenedTicket } from './ticket.js'

/**
 * Requires that the party that opens a ticket, whose clock may differ from that of the KDC that issued it, finds it valid
 * at `now`, milliseconds (docs/protocol.md section 4).
 * @param endClock the time by which the ticket ends, if the party knows a later KDC time (section 10)
 * @throws OrthrusError `ticket_not_yet_valid` `ticket_expired`
 */
export function requireValid(ticket: OpenedTicket, now: number, endClock = now): void {
  const { service, client: principal, startTime, endTime } = ticket
  if (now < startTime - WINDOW.START_ALLOWANCE) {
    throw new OrthrusError('ticket_not_yet_valid', `${principal}'s ticket for ${service} is not valid yet`, {
      final: true,
      principal,
      service,
      expected: startTime,
      actual: now,
    })
  }
  if (endClock >= endTime) {
    throw new OrthrusError('ticket_expired', `${principal}'s ticket for ${service} has ended`, {
      final: true,
      principal,
      service,
      expected: endTime,
      actual: endClock,
    })
  }
}
