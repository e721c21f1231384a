import { toHex } from '../shared/bytes.js'
import type { Principal } from '../shared/principal.js'
import type { AcceptedRequest } from '../shared/protocol/accept.js'
import { FLAG } from '../shared/protocol/constants.js'
import type { Claims, ClaimValue } from '../shared/protocol/ticket.js'

/** What a handler is told of who sent the request; all of it is proved. Times are milliseconds, KDC time. */
export interface Ticket {
  /** In whose name the request is made. */
  readonly client: Principal
  /** Who presents the client's ticket, where that is somebody else: a delegate. */
  readonly via: Principal | undefined
  readonly service: Principal
  /** By name, without a prototype. Those that a caveat withholds are not there. */
  readonly claims: { readonly [name: string]: ClaimValue | undefined }
  /** Whether the ticket has claims that its caveats withhold. */
  readonly claimsWithheld: boolean
  /** Hex. */
  readonly ticketId: string
  /** When the client proved itself to the KDC. */
  readonly authTime: number
  readonly endTime: number
  /** Whether the client's key comes from a password. */
  readonly passwordBased: boolean
  /** Whether policy lets the client delegate this ticket. */
  readonly delegable: boolean
}

declare module 'http' {
  interface IncomingMessage {
    /** Set by `requireTicket` on each request that it lets through. */
    ticket?: Ticket
  }
}

/** Of a delegated presentation, everything but `via` is of the delegated ticket (docs/protocol.md section 8). */
export function createTicket({ ticket, client, via, service, ...accepted }: AcceptedRequest): Ticket {
  return Object.freeze({
    client,
    via,
    service,
    claims: claimsByName(accepted.claims),
    claimsWithheld: accepted.claimsWithheld,
    ticketId: toHex(ticket.ticketId),
    authTime: ticket.authTime,
    endTime: ticket.endTime,
    passwordBased: (ticket.flags & FLAG.PASSWORD) !== 0,
    delegable: (ticket.flags & FLAG.DELEGABLE) !== 0,
  })
}

function claimsByName(claims: Claims): Ticket['claims'] {
  // Without a prototype `__proto__` is a name like others.
  const byName: Record<string, ClaimValue> = Object.create(null)
  for (const [name, value] of claims) byName[name] = Array.isArray(value) ? Object.freeze([...value]) : value
  return Object.freeze(byName)
}
