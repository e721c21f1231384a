import { localPart, type Principal } from '../../shared/principal.js'
import { caveatText } from '../../shared/ticket/caveat-text.js'
import { decodeCaveat } from '../../shared/ticket/caveats.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import { isImported, isServiceNamed, secretsOf, type Ticket } from '../ticket/ticket.js'

/** The tickets of a request that was refused. */
export interface RefusedTickets {
  readonly client: Principal
  readonly service: Principal
  /** The ticket that the caller gave. */
  readonly ticket: Ticket | undefined
  /** This client's own ticket, if it was presented. */
  readonly own: ServiceTicket | undefined
}

/**
 * The next step after a `caveat_failed`. A service names a caveat only if it was presented with the ticket, and those
 * the client knows. What is restricted within the ticket comes from policy, or from the TGT that it was granted under.
 * @param caveat the name of the caveat, if the service told it
 */
export function restrictionHint(caveat: string | undefined, tickets: RefusedTickets): string {
  const { ticket } = tickets
  if (caveat === undefined) return withinTicket(tickets)
  const texts = ticket === undefined ? [] : restrictionsOf(ticket, caveat)
  if (ticket === undefined || texts.length === 0) return 'ask whoever made the credential for another'
  const restricted = `cut down to ${texts.join(' and ')}, and this request does not fit`
  return isServiceNamed(ticket)
    ? `the ticket was ${restricted}: use one that was cut down less`
    : `the credential was ${restricted}: ask whoever handed it on for another`
}

function restrictionsOf(ticket: Ticket, name: string): string[] {
  const caveats = secretsOf(ticket).caveats.map(decodeCaveat)
  return caveats.filter(each => each.name === name).map(caveatText)
}

function withinTicket({ client, service, ticket, own }: RefusedTickets): string {
  const clients = [ticket?.client, own === undefined ? undefined : client]
  const commands = new Set(
    clients
      .filter(each => each !== undefined)
      .map(each => `orthrus admin policy ${localPart(each)} ${localPart(service)}`),
  )
  const run = `run: ${[...commands].join(', and: ')}`
  const granted = own ?? ticket
  const bearer = granted !== undefined && isServiceNamed(granted) && isImported(granted)
  return bearer
    ? `the credential that this client connected with does not allow this request, or policy does not; ${run}`
    : `policy does not allow this request; ${run}`
}
