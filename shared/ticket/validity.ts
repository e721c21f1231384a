import { WINDOW } from '../constants.js'
import { OrthrusError } from '../errors.js'
import type { OpenedTicket } from './ticket.js'

/**
 * Requires that a service, whose clock may differ from the KDC's, finds the ticket valid at `now`, milliseconds
 * (docs/protocol.md section 4).
 * @throws OrthrusError `ticket_not_yet_valid` `ticket_expired`
 */
export function requireValidAtService(ticket: OpenedTicket, now: number): void {
  requireValid(ticket, now, WINDOW.START_ALLOWANCE)
}

/** As `requireValidAtService`, but for the KDC, whose own clock set the times in the ticket. */
export function requireValidAtKdc(ticket: OpenedTicket, now: number): void {
  requireValid(ticket, now, 0)
}

function requireValid(ticket: OpenedTicket, now: number, allowance: number): void {
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
  if (now >= endTime) {
    throw new OrthrusError('ticket_expired', `${principal}'s ticket for ${service} has ended`, {
      final: true,
      principal,
      service,
      expected: endTime,
      actual: now,
    })
  }
}
