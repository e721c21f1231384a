import type { AcceptedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Claims } from '../../shared/ticket/ticket.js'

/** What gives somebody a say in the realm (docs/protocol.md section 9). */

export function isAdministrator(claims: Claims): boolean {
  return claims.some(([name, value]) => name === 'role' && value === 'admin')
}

/** @throws OrthrusError `not_authorized` without the claim, or where a caveat withholds it */
export function requireAdministrator({ client, claims, claimsWithheld }: AcceptedRequest): void {
  if (isAdministrator(claims)) return
  const hint = claimsWithheld
    ? 'a caveat of the ticket withholds claims'
    : `an administrator may run: orthrus admin allow ${client} kdc --claim role=admin`
  throw new OrthrusError('not_authorized', `${client} does not have the claim role=admin`, {
    principal: client,
    hint,
  })
}
