import { type AcceptedRequest, type RevocationCheck, refuse } from '../../shared/accept/accept.js'
import type { Refusal } from '../../shared/accept/refusal.js'
import { isWireCode, OrthrusError } from '../../shared/errors.js'
import { SAFE_METHODS } from '../../shared/http/safe-methods.js'

/** Step 8 of docs/protocol.md section 8 for a service that follows the log of what is revoked. */
export interface Revocation extends RevocationCheck {
  /** Calls `end` once, when step 8 would not accept the request any more. @returns a function that cancels this */
  watch(accepted: Pick<AcceptedRequest, 'tickets'>, end: (cause: OrthrusError) => void): () => void
}

/** Step 8 again, for a request that was waited for. @throws Refusal */
export function requireStillValid(revocation: Revocation, accepted: AcceptedRequest, now: number): void {
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
