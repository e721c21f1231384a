import type { AcceptedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Claims } from '../../shared/ticket/ticket.js'
import { requireEnabled, requireUnrevoked } from '../exchange/client-state.js'
import type { OpenRealm } from '../realm/realm.js'

/** What gives somebody a say in the realm (docs/protocol.md section 9). */

export function isAdministrator(claims: Claims): boolean {
  return claims.some(([name, value]) => name === 'role' && value === 'admin')
}

/** @throws OrthrusError `not_authorized` without the claim, or where a caveat withholds it */
export function requireAdministrator({ client, claims, claimsWithheld }: AcceptedRequest): void {
  if (isAdministrator(claims)) return
  const hint = claimsWithheld
    ? 'a caveat of the ticket withholds claims'
    : `an administrator may run: orthrus admin allow ${client} kdc --claim role=admin`
  throw new OrthrusError('not_authorized', `${client} has not the claim role=admin`, {
    principal: client,
    hint,
  })
}

/**
 * That nothing has happened to the tickets, clients and keys of a channel since it was opened.
 * @param now KDC time, milliseconds.
 * @throws OrthrusError `ticket_expired` `ticket_invalid` `revoked` `principal_disabled`
 */
export async function requireStanding(
  { record: { realm }, directory }: OpenRealm,
  { tickets, service }: AcceptedRequest,
  endTime: number,
  now: number,
): Promise<void> {
  if (now >= endTime)
    throw new OrthrusError('ticket_expired', 'the channel has reached the end of its ticket')
  const own = await directory.principal(service)
  for (const ticket of tickets) {
    if (!own?.keys.some(({ kvno }) => kvno === ticket.kvno)) {
      throw new OrthrusError('ticket_invalid', `the key of kdc@${realm} that the ticket is under was retired`)
    }
    requireEnabled(requireUnrevoked(ticket, await directory.principal(ticket.client)), now)
  }
}
