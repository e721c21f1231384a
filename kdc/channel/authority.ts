import type { AcceptedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import { requireUnrevoked } from '../exchange/client-state.js'
import { requireEnabled } from '../realm/login.js'
import { allValues, type MaybePromise, useValue } from '../realm/maybe-promise.js'
import { openingKey } from '../realm/principal-keys.js'
import type { OpenRealm } from '../realm/realm.js'

/**
 * Checks that the tickets, clients and keys that a channel was opened with are still good.
 * @param endTime of the channel, milliseconds
 * @param now KDC time, milliseconds
 * @throws OrthrusError `ticket_expired` `ticket_invalid` `revoked` `principal_disabled`; `unavailable` if this KDC may not
 * have heard of all changes
 */
export function requireStanding(
  { record: { realm }, directory, revocations }: OpenRealm,
  { tickets, service }: AcceptedRequest,
  endTime: number,
  now: number,
): MaybePromise<void> {
  if (now >= endTime)
    throw new OrthrusError('ticket_expired', 'the channel has reached the end of its ticket')
  const names = [service, ...tickets.map(({ client }) => client)]
  return useValue(allValues(names.map(name => directory.principal(name))), ([own, ...clients]) => {
    directory.requireCurrent()
    tickets.forEach((ticket, index) => {
      if (own === undefined || openingKey(own, ticket.kvno, now) === undefined) {
        throw new OrthrusError(
          'ticket_invalid',
          `the key of kdc@${realm} that the ticket is under was retired`,
        )
      }
      requireEnabled(requireUnrevoked(ticket, clients[index], revocations), now)
    })
  })
}
