import type { AcceptedTicket } from '../../service/request/ticket.js'
import type { HeaderPair } from './header-rules.js'

/** What the program behind a proxy learns of the sender of a request. All of it is proved. */

/** The names behind the prefix, in the order in which an assertion has them. */
export const IDENTITY_NAMES = ['client', 'claims', 'via', 'ticket-id'] as const

type IdentityName = (typeof IDENTITY_NAMES)[number]

export type Sender = Pick<AcceptedTicket, 'client' | 'claims' | 'via' | 'ticketId'>

/** `via` is empty where the client presents its own ticket; a header for it is not sent then. */
export function identityOf({
  client,
  claims,
  via,
  ticketId,
}: Sender): Readonly<Record<IdentityName, string>> {
  return { client, claims: inAscii(JSON.stringify(claims)), via: via ?? '', 'ticket-id': ticketId }
}

export function identityHeaders(prefix: string, sender: Sender): HeaderPair[] {
  const values = identityOf(sender)
  return IDENTITY_NAMES.map((name): HeaderPair => [prefix + name, values[name]]).filter(
    ([, value]) => value !== '',
  )
}

/** A header has signs of ASCII alone, if everybody is to read it alike. JSON writes the others out. */
function inAscii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
