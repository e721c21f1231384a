import { finishChain } from '../../shared/crypto/derive.js'
import { AuthKey } from '../../shared/crypto/keys.js'
import { OrthrusError } from '../../shared/errors.js'
import { localPart, type Principal, realmOf, ticketGrantingService } from '../../shared/principal.js'
import { type Credential, parseCredential } from '../../shared/ticket/credential.js'
import { secretsOf, Ticket } from './ticket.js'

/**
 * @param ownProved whether the importer's own tickets prove a service
 * @throws OrthrusError `credential_invalid` if it is truncated or altered, says another service than its
 * ticket, or has a caveat that can never hold
 */
export function importTicket(text: string, now: () => number, ownProved: boolean): Ticket {
  if (typeof text !== 'string') throw new TypeError('a credential is a string: orthrus1_...')
  const { ticket, caveats, key, service, client, endTime }: Credential = parseCredential(text)
  if (ticket.service !== service)
    throw unusable(`it says that it is for ${service}, and its ticket is for ${ticket.service}`)
  const facts = { service, client, endTime, imported: true, serviceNamed: false, ownProved, now }
  const keys = key instanceof AuthKey ? { chain: undefined, key } : { chain: key, key: finishChain(key) }
  try {
    return new Ticket(facts, { sealed: ticket, caveats, ...keys })
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw unusable(cause.reason)
  }
}

function unusable(reason: string): OrthrusError {
  return new OrthrusError('credential_invalid', `the credential cannot be used: ${reason}`, {
    final: true,
    hint: 'ask whoever made it for another',
  })
}

/** @throws OrthrusError `credential_invalid` for a ticket that `client` cannot present to a service */
export function requirePresentable(ticket: Ticket, client: Principal): void {
  const { holder } = secretsOf(ticket)
  if (holder !== undefined && holder !== client) throw madeFor(holder, client)
  if (!isTgt(ticket)) return
  throw new OrthrusError(
    'credential_invalid',
    'the credential is of a TGT, which cannot be presented to a service',
    {
      final: true,
      hint: 'use it in place of a keytab: connect({ kdc, credential, allowBearerCredential: true })',
    },
  )
}

/**
 * Whoever handed a ticket on chose everything in it, including its key. Unless the importer's own ticket is presented
 * beside it, that party could answer in the service's place (docs/protocol.md section 8, "Hand-off").
 * @throws OrthrusError `credential_invalid` for a ticket that names no holder
 */
export function requireHolder(ticket: Ticket, client: Principal): void {
  if (secretsOf(ticket).holder === client) return
  const name = localPart(client)
  throw new OrthrusError('credential_invalid', 'the credential names no holder', {
    final: true,
    expected: client,
    hint: `ask for one made by ticket.attenuate({ to: '${name}' }); allowBearerCredential: true accepts it as it is, and then whoever handed it on can answer in the service's place`,
  })
}

/**
 * @throws TypeError unless the ticket names the service as holder, so that it can only act as the delegate of the
 * client
 */
export function requireMadeFor(handOff: Ticket, service: Principal): void {
  if (secretsOf(handOff).holder === service) return
  const name = localPart(service)
  throw new TypeError(
    `a ticket is handed to a service by name: ticket.attenuate({ to: '${name}', expires: '1m' })`,
  )
}

/** The error for the wrong holder, thrown before anything is sent, because the service would refuse it. */
export function madeFor(holder: Principal, client: Principal): OrthrusError {
  return new OrthrusError('credential_invalid', `the ticket was made for ${holder}; this is ${client}`, {
    final: true,
    expected: holder,
    actual: client,
    hint: `let ${holder} present it, or have one made for ${client}`,
  })
}

export function isTgt({ service, client }: Ticket): boolean {
  return service === ticketGrantingService(realmOf(client))
}
