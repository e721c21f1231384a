import { type Principal, principalIn, type RealmName, requireSameRealm } from '../../shared/principal.js'
import type { Ticket } from '../ticket/ticket.js'

/** The parts of a call of `Realm.fetch` that say which service it is for. */
export interface ServiceChoice {
  /** The origin of the URL. */
  readonly origin: string
  /** The service that the caller named. */
  readonly service: Principal | undefined
  /** The ticket that the caller gave. */
  readonly ticket: Ticket | undefined
  /** The only ticket of the realm, if it was connected with a credential for one service. */
  readonly held: Ticket | undefined
}

/** The service of a request. @throws TypeError if no service is named for it, or two different ones are */
export function requestedService(
  { origin, service, ticket, held }: ServiceChoice,
  services: ReadonlyMap<string, Principal>,
): Principal {
  const presented = ticket ?? held
  const mapped = services.get(origin)
  // The option `services` says which service is there. A ticket from another party must not override it.
  if (presented !== undefined && mapped !== undefined && presented.service !== mapped) {
    throw new TypeError(`the ticket is for ${presented.service}, and services maps ${origin} to ${mapped}`)
  }
  if (service === undefined) return presented?.service ?? mapped ?? missing(origin)
  if (ticket === undefined || ticket.service === service) return service
  throw new TypeError(`the ticket is for ${ticket.service}, the request for ${service}`)
}

/** @throws OrthrusError `realm_mismatch`. @throws TypeError for an invalid name */
export function serviceNamed(realm: RealmName, name: string): Principal {
  const service = principalIn(realm, name)
  requireSameRealm(realm, service)
  return service
}

function missing(origin: string): never {
  throw new TypeError(
    `no service is named for ${origin}: pass { service: 'orders' } to fetch, or services: { '${origin}': 'orders' } to connect`,
  )
}
