import type { AcceptedRequest } from '../../shared/accept/accept.js'
import { WINDOW } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import { isInvitation, type Principal } from '../../shared/principal.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import { isAdministrator, mayAdminister } from '../issue/ownership.js'

/** Who may call a method of `kdc@realm` (docs/protocol.md section 9). */

/**
 * Administrators, administrators and owners about what they own, any principal about itself, whoever has a channel, or an
 * invitation about itself. An invitation is none of the others. Of a method for the `concerned`, the method itself checks what the caller may be told.
 */
export type Callers = 'administrators' | 'owners' | 'itself' | 'anybody' | 'invitation' | 'concerned'

/** The caller, as its tickets say. */
export type Caller = Pick<AcceptedRequest, 'client' | 'via' | 'claims' | 'claimsWithheld' | 'caveats'> & {
  readonly ticket: Pick<OpenedTicket, 'authTime'>
}

/** The client and, for a delegated ticket, the service that presents it. Empty for the KDC's own process. */
export function actorsOf(caller: Caller | undefined): readonly Principal[] {
  if (caller === undefined) return []
  return caller.via === undefined ? [caller.client] : [caller.client, caller.via]
}

export { isAdministrator }

/**
 * Checks that the caller may call. The KDC's own process may do what administrators may; it is not a principal, so it
 * cannot call what a principal calls about itself.
 * @param now KDC time, milliseconds
 * @throws OrthrusError `not_authorized`
 */
export function requireCaller(callers: Callers, caller: Caller | undefined, now: number): void {
  if (callers === 'invitation') requireInvitation(caller)
  else requireNoInvitation(caller)
  if (callers === 'concerned') return
  if (callers === 'administrators' || callers === 'owners') requireAdministration(callers, caller)
  else if (caller === undefined) throw refused('only a principal may call this, over a channel')
  else if (callers !== 'anybody') requireItself(caller, callers, now)
}

function requireInvitation(caller: Caller | undefined): void {
  if (caller === undefined || isInvitation(caller.client)) return
  throw refused('only an invitation may call this', 'run: orthrus join CODE')
}

/** A rule for everyone may grant it the role, and an administrator may hand a ticket on to it. */
function requireNoInvitation(caller: Caller | undefined): void {
  const invitation = actorsOf(caller).find(isInvitation)
  if (invitation !== undefined) throw refused(`${invitation} is an invitation: it may only enrol`)
}

/**
 * Only whoever has the principal's key, or had it a moment ago, may change that key: neither a delegate, nor the holder
 * of a narrowed ticket or of a part of a TGT, nor a thief of an old session (section 12). The tickets of an invitation
 * all have the caveat `services`.
 */
function requireItself(
  { via, caveats: all, ticket: { authTime } }: Caller,
  callers: 'itself' | 'invitation',
  now: number,
): void {
  const caveats = callers === 'invitation' ? all.filter(({ name }) => name !== 'services') : all
  if (via !== undefined) throw refused('only a principal may call this, with its own ticket')
  if (caveats.length > 0) throw refused('only a ticket without caveats may call this')
  const age = now - authTime
  if (age <= WINDOW.FRESH_LOGIN && age >= -WINDOW.START_ALLOWANCE) return
  throw refused('the login of this ticket is more than 5 minutes old', 'log in again, then call')
}

function refused(reason: string, hint?: string): OrthrusError {
  return new OrthrusError('not_authorized', reason, hint === undefined ? {} : { hint })
}

/** An owner's claim is looked at by each method, beside what its call is about. */
function requireAdministration(callers: 'administrators' | 'owners', caller: Caller | undefined): void {
  if (callers === 'owners' && caller !== undefined && mayAdminister(caller.claims)) return
  requireAdministrator(caller)
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
