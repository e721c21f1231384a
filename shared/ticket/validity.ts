import { WINDOW } from '../constants.js'
import { OrthrusError } from '../errors.js'
import type { OpenedTicket } from './ticket.js'

/**
 * Requires that a service, whose clock may differ from the KDC's, finds the ticket valid at `now`, milliseconds
 * (docs/protocol.md section 4).
 * @param endClock the time by which the ticket ends, if the service knows KDC time (section 10)
 * @throws OrthrusError `ticket_not_yet_valid` `ticket_expired`
 */
export function requireValidAtService(ticket: OpenedTicket, now: number, endClock = now): void {
  requireValid(ticket, now, endClock, WINDOW.START_ALLOWANCE)
}

/** As `requireValidAtService`, but for the KDC, whose own clock set the times in the ticket. */
export function requireValidAtKdc(ticket: OpenedTicket, now: number): void {
  requireValid(ticket, now, now, 0)
}

function requireValid(ticket: OpenedTicket, now: number, endClock: number, allowance: number): void {
  const { service, client: principal, startTime, endTime } = ticket
  if (now < startTime - allowance) {
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
