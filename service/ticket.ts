import { toHex } from '../shared/bytes.js'
import type { Principal } from '../shared/principal.js'
import { FLAG } from '../shared/protocol/constants.js'
import type { Claims, ClaimValue } from '../shared/protocol/ticket.js'
import { actOnBehalf, type DelegateRealm, type HandOff } from './handed-off.js'

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
  /**
   * A caller for the next service, in the name of this request's client, by the credential that it sent along.
   * @throws OrthrusError `credential_invalid` where it sent none, or one that was made for somebody else
   */
  onBehalf<Caller>(realm: DelegateRealm<Caller>): Caller
}

declare module 'http' {
  interface IncomingMessage {
    /** Set by `requireTicket` on each request that it lets through. */
    ticket?: Ticket
  }
}

/** Of a delegated presentation, everything but `via` is of the delegated ticket (docs/protocol.md section 8). */
export function createTicket(handOff: HandOff): Ticket {
  const { ticket, client, via, service, ...accepted } = handOff.verified
  const facts: Omit<Ticket, 'onBehalf'> = {
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
  }
  // A closure, so that the credential shows nowhere; not enumerable, so that the facts print as facts.
  const onBehalf = <Caller>(realm: DelegateRealm<Caller>): Caller => actOnBehalf(handOff, realm)
  return Object.freeze(Object.defineProperty(facts, 'onBehalf', { value: onBehalf }) as Ticket)
}

function claimsByName(claims: Claims): Ticket['claims'] {
  // Without a prototype `__proto__` is a name like others.
  const byName: Record<string, ClaimValue> = Object.create(null)
  for (const [name, value] of claims) byName[name] = Array.isArray(value) ? Object.freeze([...value]) : value
  return Object.freeze(byName)
}
