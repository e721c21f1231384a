import { toHex } from '../../shared/bytes.js'
import { FLAG } from '../../shared/constants.js'
import type { Principal } from '../../shared/principal.js'
import type { Claims, ClaimValue } from '../../shared/ticket/ticket.js'
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
   * A method, to be called on the ticket: a caller for the next service, in the name of this request's client, by the credential that it sent along.
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
  return Object.freeze(new AcceptedTicket(handOff))
}

class AcceptedTicket implements Ticket {
  readonly client: Principal
  readonly via: Principal | undefined
  readonly service: Principal
  readonly claims: Ticket['claims']
  readonly claimsWithheld: boolean
  readonly ticketId: string
  readonly authTime: number
  readonly endTime: number
  readonly passwordBased: boolean
  readonly delegable: boolean
  readonly #handOff: HandOff

  constructor(handOff: HandOff) {
    const { ticket, client, via, service, claims, claimsWithheld } = handOff.verified
    this.client = client
    this.via = via
    this.service = service
    this.claims = claimsByName(claims)
    this.claimsWithheld = claimsWithheld
    this.ticketId = toHex(ticket.ticketId)
    this.authTime = ticket.authTime
    this.endTime = ticket.endTime
    this.passwordBased = (ticket.flags & FLAG.PASSWORD) !== 0
    this.delegable = (ticket.flags & FLAG.DELEGABLE) !== 0
    this.#handOff = handOff
  }

  onBehalf<Caller>(realm: DelegateRealm<Caller>): Caller {
    return actOnBehalf(this.#handOff, realm)
  }
}

function claimsByName(claims: Claims): Ticket['claims'] {
  // Without a prototype `__proto__` is a name like others.
  const byName: Record<string, ClaimValue> = Object.create(null)
  for (const [name, value] of claims) byName[name] = Array.isArray(value) ? Object.freeze([...value]) : value
  return Object.freeze(byName)
}
