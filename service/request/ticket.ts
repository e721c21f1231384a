import { toHex } from '../../shared/bytes.js'
import { FLAG } from '../../shared/constants.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Claims, ClaimValue } from '../../shared/ticket/claims.js'
import { actOnBehalf, type DelegateRealm, type HandOff } from './handed-off.js'

/** What a handler learns about the sender of the request. All of it is proved. Times are milliseconds, KDC time. */
export interface AcceptedTicket {
  /** The principal in whose name the request is made. */
  readonly client: Principal
  /** The delegate that presents the client's ticket, if it is not the client itself. */
  readonly via: Principal | undefined
  readonly service: Principal
  /** By name, without a prototype. Claims that a caveat withholds are missing. */
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
   * Further headers that the client bound, in lower case and ascending order: nobody on the way changed, added or removed
   * one of them (docs/protocol.md section 8, Further headers). One that the request lacks was not sent.
   */
  readonly covered: readonly string[]
  /**
   * Aborts when one of the request's tickets, clients or keys is revoked, with the OrthrusError `revoked`; and when no KDC
   * has confirmed the revocations for longer than `maxStaleness`, with `unavailable`. A response that has not been sent by
   * then is dropped; what the handler began it should stop. Without the option `kdc` of `loadService` it never aborts.
   */
  readonly signal: AbortSignal
  /**
   * Calls the next service in the name of this request's client, with the credential that the client sent along.
   * @param realm of `orthrus/client`, connected as the principal that the client made the credential for.
   * @throws OrthrusError `credential_invalid` if the client sent none, or one whose `holder` is not the realm's client
   */
  onBehalf<Caller>(realm: DelegateRealm<Caller>): Caller
}

declare module 'http' {
  interface IncomingMessage {
    /** Set by `requireTicket` on each request that it lets through. */
    ticket?: AcceptedTicket
  }
}

/** Aborts the signal of a ticket that `createTicket` made. */
export let abortTicket: (ticket: AcceptedTicket, cause: OrthrusError) => void

/** Of a delegated presentation, everything but `via` is of the delegated ticket (docs/protocol.md section 8). */
export function createTicket(handOff: HandOff): AcceptedTicket {
  return Object.freeze(new HandledTicket(handOff))
}

class HandledTicket implements AcceptedTicket {
  readonly client: Principal
  readonly via: Principal | undefined
  readonly service: Principal
  readonly claims: AcceptedTicket['claims']
  readonly claimsWithheld: boolean
  readonly ticketId: string
  readonly authTime: number
  readonly endTime: number
  readonly passwordBased: boolean
  readonly delegable: boolean
  readonly covered: readonly string[]
  readonly #handOff: HandOff
  /** Made only for a handler that wants the signal. */
  #aborter: AbortController | undefined
  #ended: OrthrusError | undefined

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
    this.covered = handOff.further
    this.#handOff = handOff
  }

  get signal(): AbortSignal {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController()
      if (this.#ended !== undefined) this.#aborter.abort(this.#ended)
    }
    return this.#aborter.signal
  }

  static {
    abortTicket = (ticket, cause) => {
      if (!(#ended in ticket)) return
      ticket.#ended = cause
      ticket.#aborter?.abort(cause)
    }
  }

  onBehalf<Caller>(realm: DelegateRealm<Caller>): Caller {
    return actOnBehalf(this.#handOff, realm)
  }
}

const NO_CLAIMS: AcceptedTicket['claims'] = Object.freeze(Object.create(null))

function claimsByName(claims: Claims): AcceptedTicket['claims'] {
  if (claims.length === 0) return NO_CLAIMS
  // Without a prototype, `__proto__` is a name like others.
  const byName: Record<string, ClaimValue> = Object.create(null)
  for (const [name, value] of claims) byName[name] = Array.isArray(value) ? Object.freeze([...value]) : value
  return Object.freeze(byName)
}
