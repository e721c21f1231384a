import { type AcceptedRequest, type RevocationCheck, refuse } from '../../shared/accept/accept.js'
import type { Refusal } from '../../shared/accept/refusal.js'
import { isWireCode, OrthrusError } from '../../shared/errors.js'
import { SAFE_METHODS } from '../../shared/http/safe-methods.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import type { Reading } from '../../shared/time.js'

/** Step 8 of docs/protocol.md section 8 for a service that follows the log of what is revoked. */
export interface Revocation extends RevocationCheck {
  /** Ends it once, when step 8 would not accept its tickets any more. */
  watch(watched: Watched): void
  /** It is over, and needs no end. Does nothing for one that is not watched. */
  forget(watched: Watched): void
}

/** What goes on under tickets: a request, a body, a channel. */
export interface Watched {
  readonly tickets: readonly OpenedTicket[]
  /** Whether nobody is left to hear of an end. It is asked now and then, so that what nobody forgets is forgotten. */
  readonly isGone?: boolean
  end(cause: OrthrusError): void
}

/** Step 8 again, for a request that was waited for. @throws Refusal */
export function requireStillValid(revocation: Revocation, accepted: AcceptedRequest, now: Reading): void {
  try {
    for (const ticket of accepted.tickets) revocation.requireValid(ticket, now)
  } catch (cause) {
    throw refusalOf(accepted, cause)
  }
}

/**
 * What is answered in place of a handler that has begun. `revoked` tells the client that the request never was handled,
 * so that it takes a fresh ticket and sends even a POST again. Nobody knows that of one that has begun: unless its
 * method does no harm twice, the answer is `unavailable`, which the client leaves to its caller.
 */
export function causeForBegun(method: string, cause: OrthrusError): OrthrusError {
  if (SAFE_METHODS.has(method)) return cause
  return new OrthrusError('unavailable', `${cause.reason} while the request was handled`, cause.facts)
}

/** What refuses an accepted request for this cause. Anything but an OrthrusError is returned unchanged. */
export function refusalOf(accepted: AcceptedRequest, cause: unknown): Refusal | unknown {
  if (!(cause instanceof OrthrusError) || !isWireCode(cause.code)) return cause
  return refuse(accepted, cause.code, cause.reason, cause.facts.hint)
}
