import { WINDOW } from '../../shared/constants.js'
import { ageAtRefresh } from '../../shared/ticket/refresh.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'

/** When a ticket is refreshed, and when it is used no more: pure functions of its times. */

/** Tuning, not protocol. A ticket is refreshed up to this share of its life earlier, at random. */
const SHARE_JITTER = 0.05
/** The share of a short life that is the margin before its end. */
const SHARE_MARGIN = 0.2
/** When one ticket is due, those that become due within this share of their life are refreshed together with it. */
const SHARE_TOGETHER = 0.05
/** When the ticket is to be refreshed, KDC time. @param fraction a random number from 0 to 1 */
export function refreshTimeOf(ticket: ServiceTicket, fraction: number): number {
  const life = lifeOf(ticket)
  return ticket.startTime + ageAtRefresh(life) - SHARE_JITTER * fraction * life
}

/** A ticket that is due within this many milliseconds is refreshed together with one that is due. */
export function togetherSpanOf(ticket: ServiceTicket): number {
  return SHARE_TOGETHER * lifeOf(ticket)
}

/**
 * Whether the ticket has ended, or begins so far in the future that the KDC's clock must have been set back since it
 * was granted. No service accepts such a ticket, and its refresh would come just as late. Services already refuse a
 * ticket that begins more than a minute ahead. The limit here is the larger one that the KDC allows, because this
 * machine's clock may be off by that much, and would otherwise reject every new ticket.
 */
export function isOutside({ startTime, endTime }: ServiceTicket, now: number): boolean {
  return now >= endTime || startTime - now > WINDOW.KDC_SKEW
}

/** A ticket with less time left than this is refreshed before use, milliseconds; a share of a short life. */
export function marginOf(ticket: ServiceTicket): number {
  return Math.min(WINDOW.SERVICE_FUTURE, SHARE_MARGIN * lifeOf(ticket))
}

/** Whether less than half of the life of the ticket is left. */
export function isHalfOver(ticket: ServiceTicket, now: number): boolean {
  return ticket.endTime - now < lifeOf(ticket) / 2
}

function lifeOf({ startTime, endTime }: ServiceTicket): number {
  return endTime - startTime
}
