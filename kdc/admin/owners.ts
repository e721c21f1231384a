import { OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import {
  type Authority,
  authorityAt,
  authorityIn,
  coversStored,
  EVERYTHING,
  narrower,
  requireNoMoreThan,
} from '../issue/ownership.js'
import type { AdminContext } from './context.js'
import { requireStillAdministrator } from './lockout.js'
import { type Caller, isAdministrator } from './role.js'

/**
 * What owners of services may call, and about what. Both count: what the caller's ticket says, and what the rules give it
 * at the moment in which its change is committed.
 */

/** What a call is about. */
export interface Subject {
  /** `undefined` if there is no such thing: then it is nobody's. */
  readonly service: Pattern | undefined
  /** Whether the caller gets a key of the service, or what becomes one. */
  readonly handsOutKey?: boolean
}

/**
 * What the caller may administer now.
 * @param now KDC time, milliseconds
 * @throws OrthrusError `not_authorized` if its ticket says that it is an administrator, and the rules no longer
 */
export async function presentAuthority({ realm, caller }: AdminContext, now: number): Promise<Authority> {
  if (caller === undefined) return EVERYTHING
  const claimed = authorityIn(caller.claims, realm.record.realm)
  return narrower(claimed, await authorityAt(realm, caller.client, now))
}

/** @throws OrthrusError `not_authorized` unless the caller is an administrator, or owns what the call is about */
export async function requireOwned(context: AdminContext, subject: Subject, now: number): Promise<void> {
  const { caller, realm } = context
  if (caller === undefined) return
  if (isAdministrator(caller.claims)) return requireStillAdministrator(context, now)
  const authority = await presentAuthority(context, now)
  const { service } = subject
  if (service === undefined || !(await coversStored(realm, authority, service))) {
    throw notOwned(caller)
  }
  if (subject.handsOutKey === true) await requireNoMoreThan(realm, authority, service, now)
}

/** The error for who does not own what it asks about. */
export function notOwned({ client }: Caller): OrthrusError {
  return new OrthrusError('not_authorized', `${client} does not own this`, {
    principal: client,
    hint: `an administrator may run: orthrus admin allow ${client} kdc --claim owner=NAME`,
  })
}

/** The same caller, whose changes are refused unless it then owns what they are about. */
export function owning(context: AdminContext, subject: () => Promise<Subject>): AdminContext {
  const change: AdminContext['change'] = plan =>
    context.change(async now => {
      await requireOwned(context, await subject(), now)
      return plan(now)
    })
  return { ...context, change }
}

/** Which rows of a list the caller may see, by the service that they are about. */
export async function rowsOwned(context: AdminContext): Promise<(service: Pattern) => Promise<boolean>> {
  const { realm } = context
  const { caller } = context
  // Reading needs no more than the ticket says, of an administrator as ever.
  if (caller === undefined || isAdministrator(caller.claims)) return async () => true
  const authority = await presentAuthority(context, realm.time.now())
  return service => coversStored(realm, authority, service)
}
