import { equalBytes } from '#primitives'
import { WINDOW } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import { clockFault } from '../realm/clock-report.js'
import type { KdcTime } from '../realm/kdc-time.js'
import type { RevocationLog } from '../realm/revocation-log.js'
import type { PrincipalRecord } from '../vault/records.js'

/** Checks of sections 6 and 7 that exchanges and channels share. Pure functions of values; times in milliseconds. */

/**
 * @param kdcTime says whether the KDC's own clock may be the wrong one; the log then says so
 * @throws OrthrusError `clock_skew` if `time` is more than 120 s before or after `now`
 */
export function requireFresh(time: number, now: number, kdcTime: KdcTime): void {
  if (Math.abs(time - now) <= WINDOW.KDC_SKEW) return
  const hint = clockFault(kdcTime.look())
  throw new OrthrusError('clock_skew', 'the time of the request is too far from KDC time', {
    expected: now,
    actual: time,
    ...(hint === undefined ? {} : { hint }),
  })
}

/**
 * Checks that the client of a ticket still has it (section 7, step 3).
 * @throws OrthrusError `revoked` if the ticket itself or the client's tickets were revoked, or the client was removed
 */
export function requireUnrevoked(
  ticket: OpenedTicket,
  client: PrincipalRecord | undefined,
  revocations: Pick<RevocationLog, 'hasTicket'>,
): PrincipalRecord {
  const fault = revocationOf(ticket, client, revocations)
  if (client !== undefined && fault === undefined) return client
  throw new OrthrusError('revoked', `${ticket.client} ${fault}`, { principal: ticket.client })
}

function revocationOf(
  ticket: OpenedTicket,
  client: PrincipalRecord | undefined,
  revocations: Pick<RevocationLog, 'hasTicket'>,
): string | undefined {
  if (client === undefined) return 'was removed'
  if (!equalBytes(client.clientId, ticket.clientId)) return 'has had its tickets revoked since it logged in'
  if (revocations.hasTicket(ticket.ticketId)) return 'has had this one ticket revoked'
  return undefined
}
