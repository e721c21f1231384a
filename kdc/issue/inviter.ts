import { equalBytes } from '#primitives'
import { OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { InvitationRecord } from '../realm/invitation.js'
import { requireEnabled } from '../realm/login.js'
import { readStoredPrincipal } from '../realm/stored-principal.js'
import type { Inviter } from '../vault/records.js'
import { authorityAt, coversStored, requireNoMoreThan } from './ownership.js'
import type { RulesAndRecords } from './terms-at-kdc.js'

/**
 * An invitation that the owner of a service made is good only while the owner could still make it: checked when a host
 * gets its key, and when that key becomes the current one. It ends with the series of tickets that its owner had: a thief
 * of the owner's key may have made it.
 * @param name who the host is to become
 * @throws OrthrusError `not_authorized`, `principal_disabled` if the owner has expired
 */
export async function requireInviter(
  realm: RulesAndRecords,
  { invitation: { invitedBy } }: InvitationRecord,
  name: Principal,
  now: number,
): Promise<void> {
  if (invitedBy === null) return
  await requireSameSeries(realm, invitedBy, now)
  const target = name as string as Pattern
  const authority = await authorityAt(realm, invitedBy.name, now)
  if (!(await coversStored(realm, authority, target))) {
    throw new OrthrusError(
      'not_authorized',
      `${invitedBy.name}, who made the invitation, does not own ${name} any more`,
      {
        hint: `an administrator may invite it: orthrus admin invite ${name}`,
      },
    )
  }
  await requireNoMoreThan(realm, authority, target, now)
}

/** Disabling or removing the owner, and revoking its tickets or its key, each begin another series. */
async function requireSameSeries(
  { vault }: RulesAndRecords,
  { name, clientId }: Inviter,
  now: number,
): Promise<void> {
  const record = (await readStoredPrincipal(vault, name))?.record
  if (record === undefined || !equalBytes(record.clientId, clientId)) {
    throw new OrthrusError(
      'not_authorized',
      `${name}, who made the invitation, was disabled or removed since, or has had its tickets or key revoked`,
      { hint: 'make another invitation: orthrus admin invite NAME' },
    )
  }
  requireEnabled(record, now)
}
