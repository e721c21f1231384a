import { OrthrusError } from '../../shared/errors.js'
import { type Principal, principalIn, type RealmName, requireSameRealm } from '../../shared/principal.js'
import { withoutSecrets } from '../../shared/shown-text.js'
import { isServiceNamed, type Ticket } from '../ticket/ticket.js'

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

/**
 * The service of a request. It is named by the caller, by the option `services`, or by a ticket that the caller itself
 * asked the KDC for. An imported ticket names none: whoever handed it on chose its service, and could be that service
 * (docs/protocol.md section 8, "Hand-off").
 * @throws OrthrusError `credential_invalid` for an imported ticket of another service
 * @throws TypeError if no service is named for the request, or two different ones are
 */
export function requestedService(choice: ServiceChoice, services: ReadonlyMap<string, Principal>): Principal {
  const { origin, service, ticket, held } = choice
  const presented = ticket ?? held
  const mapped = services.get(origin)
  if (presented === undefined) return service ?? mapped ?? missing(origin)
  // Both names must fit. What the option `services` says of an origin is not overridden by a ticket.
  if (mapped !== undefined && presented.service !== mapped) {
    throw otherService(presented, mapped, `services maps ${origin} to ${mapped}`)
  }
  if (service !== undefined && ticket !== undefined && ticket.service !== service) {
    throw otherService(ticket, service, `the request for ${service}`)
  }
  return service ?? mapped ?? ownService(presented, origin)
}

/** @throws OrthrusError `realm_mismatch`. @throws TypeError for an invalid name */
export function serviceNamed(realm: RealmName, name: string): Principal {
  const service = principalIn(realm, name)
  requireSameRealm(realm, service)
  return service
}

function ownService(ticket: Ticket, origin: string): Principal {
  if (isServiceNamed(ticket)) return ticket.service
  throw new TypeError(
    withoutSecrets(
      `the ticket was handed on, and no service is named for ${origin}: whoever handed it on chose its service, and could answer there themselves. ${nameOne(origin)}`,
    ),
  )
}

function otherService(ticket: Ticket, service: Principal, named: string): Error {
  if (isServiceNamed(ticket)) return new TypeError(`the ticket is for ${ticket.service}, and ${named}`)
  return new OrthrusError('credential_invalid', `the credential is for ${ticket.service}, and ${named}`, {
    final: true,
    expected: service,
    actual: ticket.service,
    hint: `nothing was sent; ask whoever handed it on for one for ${service}`,
  })
}

function missing(origin: string): never {
  throw new TypeError(withoutSecrets(`no service is named for ${origin}. ${nameOne(origin)}`))
}

function nameOne(origin: string): string {
  return `Pass { service: 'orders' } with the call, or services: { '${origin}': 'orders' } to connect`
}
