import type { AcceptedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Claims } from '../../shared/ticket/claims.js'

/** Who may call a method of `kdc@realm` (docs/protocol.md section 9). */

/** Administrators, any principal about itself, or whoever has a channel. */
export type Callers = 'administrators' | 'itself' | 'anybody'

/** The caller, as its tickets say. */
export type Caller = Pick<AcceptedRequest, 'client' | 'via' | 'claims' | 'claimsWithheld'>

/** The client and, for a delegated ticket, the service that presents it. Empty for the KDC's own process. */
export function actorsOf(caller: Caller | undefined): readonly Principal[] {
  if (caller === undefined) return []
  return caller.via === undefined ? [caller.client] : [caller.client, caller.via]
}

export function isAdministrator(claims: Claims): boolean {
  return claims.some(([name, value]) => name === 'role' && value === 'admin')
}

/**
 * Checks that the caller may call. The KDC's own process may do what administrators may; it is not a principal, so it
 * cannot call what a principal calls about itself. Neither can a delegate, which speaks for its client.
 * @throws OrthrusError `not_authorized`
 */
export function requireCaller(callers: Callers, caller: Caller | undefined): void {
  if (callers === 'administrators') {
    requireAdministrator(caller)
  } else if (caller === undefined) {
    throw new OrthrusError('not_authorized', 'only a principal may call this, over a channel')
  } else if (callers === 'itself' && caller.via !== undefined) {
    throw new OrthrusError('not_authorized', 'only a principal may call this, with its own ticket')
  }
}

/** The claim is missing if no rule gives it, or if a caveat withholds it. */
function requireAdministrator(caller: Caller | undefined): void {
  if (caller === undefined || isAdministrator(caller.claims)) return
  const { client, claimsWithheld } = caller
  const hint = claimsWithheld
    ? 'a caveat of the ticket withholds claims'
    : `an administrator may run: orthrus admin allow ${client} kdc --claim role=admin`
  throw new OrthrusError('not_authorized', `${client} does not have the claim role=admin`, {
    principal: client,
    hint,
  })
}
