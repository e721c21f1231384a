import { OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { InvitationRecord } from '../realm/invitation.js'
import { authorityAt, coversStored, requireNoMoreThan } from './ownership.js'
import type { RulesAndRecords } from './terms-at-kdc.js'

/**
 * An invitation that the owner of a service made is good only while the owner could still make it: checked when a host
 * gets its key, and when that key becomes the current one.
 * @param name who the host is to become
 * @throws OrthrusError `not_authorized`
 */
export async function requireInviter(
  realm: RulesAndRecords,
  { invitation: { invitedBy } }: InvitationRecord,
  name: Principal,
  now: number,
): Promise<void> {
  if (invitedBy === null) return
  const target = name as string as Pattern
  const authority = await authorityAt(realm, invitedBy, now)
  if (!(await coversStored(realm, authority, target))) {
    throw new OrthrusError(
      'not_authorized',
      `${invitedBy}, who made the invitation, does not own ${name} any more`,
      {
        hint: `an administrator may invite it: orthrus admin invite ${name}`,
      },
    )
  }
  await requireNoMoreThan(realm, authority, target, now)
}
