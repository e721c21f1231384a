import { toHex } from '../bytes.js'
import type { AuthKey } from '../crypto/keys.js'
import { createAuthenticatedError, createError } from '../encoding/error.js'
import { OrthrusError, type WireCode, wireCodeOf } from '../errors.js'
import type { Principal } from '../principal.js'
import type { OpenedTicket } from '../ticket/ticket.js'

/**
 * The refusal of a request. `reply` is the ERROR that answers it. The message is for the service's own log and says
 * more than the reply.
 */
export class Refusal extends OrthrusError {
  readonly reply: Uint8Array
  readonly authenticated: boolean
  /** Whose tickets the request has, if its MAC was right. */
  readonly proved: ProvedTickets | undefined

  constructor(cause: OrthrusError, reply: Uint8Array, authenticated: boolean, proved?: ProvedTickets) {
    super(cause.code, cause.reason, { final: cause.final, cause, ...cause.facts })
    this.reply = reply
    this.authenticated = authenticated
    this.proved = proved
  }

  /** The principal that presented the request, if its MAC was right. */
  get presenter(): Principal | undefined {
    return this.proved && (this.proved.via ?? this.proved.client)
  }

  /** The code that the reply carries. */
  get wireCode(): WireCode {
    return wireCodeOf(this)
  }
}

/** Whose tickets a request has, and which they are. */
export interface ProvedTickets {
  readonly client: Principal
  /** Hex. */
  readonly ticketId: string
  /** The delegate that presents the client's ticket. */
  readonly via: Principal | undefined
  /** Of the delegate's own ticket, hex. */
  readonly viaTicketId: string | undefined
}

/** @param own the presenter's ticket @param delegated the client's, if another presents it */
export function provedTickets(
  own: Pick<OpenedTicket, 'client' | 'ticketId'>,
  delegated: Pick<OpenedTicket, 'client' | 'ticketId'> | undefined,
): ProvedTickets {
  const { client, ticketId } = delegated ?? own
  const named = { client, ticketId: toHex(ticketId) }
  if (delegated === undefined) return { ...named, via: undefined, viaTicketId: undefined }
  return { ...named, via: own.client, viaTicketId: toHex(own.ticketId) }
}

/** Refuses a request that was not proved, with type 05. Anything but an OrthrusError is returned unchanged. */
export function refuseUnproved(cause: unknown, now: number): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  return new Refusal(cause, createError({ ...toldOf(cause), time: now, floor: null }), false)
}

export interface ProvedRequest {
  readonly key: AuthKey
  readonly mac: Uint8Array
  readonly proved: ProvedTickets
  /** Milliseconds. */
  readonly now: number
  /** Sent with a `clock_skew`. */
  readonly floor: number | null
}

/** Refuses a request whose MAC was right, with type 06. Anything but an OrthrusError is returned unchanged. */
export function refuseProved(cause: unknown, { key, mac, proved, now, floor }: ProvedRequest): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  const content = { ...toldOf(cause), time: now, floor: cause.code === 'clock_skew' ? floor : null }
  return new Refusal(cause, createAuthenticatedError(key, mac, content), true, proved)
}

/** What the other side may know: the code and, if one of its own caveats failed, the caveat's name. */
function toldOf(cause: OrthrusError): { code: WireCode; message: string } {
  const { caveat } = cause.facts
  return { code: wireCodeOf(cause), message: caveat === undefined ? '' : `caveat ${caveat}` }
}
