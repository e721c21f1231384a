import { combineAuthKeys } from '../../shared/crypto/derive.js'
import { keepCombination } from '../../shared/crypto/derived-keys.js'
import type { AuthKey } from '../../shared/crypto/keys.js'
import type { ApRequest } from '../../shared/exchange/ap.js'
import type { Principal } from '../../shared/principal.js'
import { abortable } from '../../shared/timers.js'
import type { TicketCache } from '../cache/ticket-cache.js'
import { madeFor } from '../ticket/imported-ticket.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import { isImported, secretsOf, type Ticket } from '../ticket/ticket.js'

/** The tickets of one presentation. */
export interface PresentedTickets {
  readonly own: ServiceTicket | undefined
  /** The first ticket in the AP-REQ. */
  readonly first: Ticket
  /** Presented beside this client's own ticket (section 8). */
  readonly delegated: Ticket | undefined
}

export interface TicketChoice {
  readonly service: Principal
  /** Used instead of the ticket from the cache. */
  readonly ticket: Ticket | undefined
  /** Whether a ticket near its end is replaced first. */
  readonly lasting?: boolean
  readonly signal?: AbortSignal
}

/** @throws OrthrusError `credential_invalid` for a ticket that another principal must present */
export async function chooseTickets(
  { service, ticket, lasting = false, signal }: TicketChoice,
  { tickets, client }: { readonly tickets: TicketCache; readonly client: Principal },
): Promise<PresentedTickets> {
  const holder = ticket && secretsOf(ticket).holder
  if (ticket !== undefined && holder === undefined)
    return { own: undefined, first: ticket, delegated: undefined }
  if (holder !== undefined && holder !== client) throw madeFor(holder, client)
  const own = await abortable(lasting ? tickets.getLasting(service, 0) : tickets.get(service, 0), signal)
  return { own, first: own, delegated: ticket }
}

/** The last instant that a `Date` can express, milliseconds. */
const DATE_MAX = 8.64e15

/** The end of the caller's ticket, if it has passed. @param now by the clock of the service that refused it */
export function endedAt(ticket: Ticket | undefined, now: number): number | undefined {
  return ticket !== undefined && ticket.endTime <= Math.min(now, DATE_MAX) ? ticket.endTime : undefined
}

/** The end as the KDC told it. The sender of an imported ticket may have made up its end. */
export function provedEnd(ticket: Ticket): number {
  return isImported(ticket) ? Number.NEGATIVE_INFINITY : ticket.endTime
}

/** The key that the request is MAC'd with: that of the first ticket, combined with that of a delegated one. */
export function presentedKey(first: Ticket, delegated: Ticket | undefined): AuthKey {
  const own = secretsOf(first).key
  if (delegated === undefined) return own
  const other = secretsOf(delegated).key
  const key = combineAuthKeys(own, other)
  keepCombination(own, other, key)
  return key
}

/** The fields of the delegated ticket in the AP-REQ. */
export function delegatedPart(ticket: Ticket | undefined): ApRequest['delegated'] {
  if (ticket === undefined) return null
  const { sealed, caveats } = secretsOf(ticket)
  return { ticket: sealed, caveats, client: ticket.client }
}
