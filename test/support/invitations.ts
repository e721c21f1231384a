import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import {
  decodeEnrolled,
  decodeInvitationSummary,
  decodeMadeInvitation,
  encodeNewInvitation,
  type InvitationSummary,
  type NewInvitation,
} from '../../shared/administration/invitations.js'
import { listOf } from '../../shared/encoding/fields.js'
import { MINUTE } from '../../shared/time.js'
import { callerOf, type Identity, pattern, type TestRealm } from './realm.js'

/** Makes an invitation that ends in 10 minutes. */
export async function invite(
  realm: TestRealm,
  target: string,
  wanted: Partial<NewInvitation> = {},
): Promise<Identity> {
  const endsAt = realm.clock.now() + 10 * MINUTE
  const whole = { target: pattern(target), uses: 1, endsAt, principalsLife: null, ...wanted }
  return decodeMadeInvitation(await realm.call('invite', encodeNewInvitation(whole))).invitation
}

/** Calls `enrol` as the invitation does after a login of this moment. @returns the principal with its staged key */
export async function enrol(
  realm: TestRealm,
  { principal }: Identity,
  instance: string | null = null,
): Promise<Identity> {
  const caller = callerOf(principal, realm.clock.now())
  const context = { ...ownContext(realm.realm, realm.context.report), caller }
  return decodeEnrolled(await callMethod(context, 'enrol', [instance]))
}

export async function invitations(realm: TestRealm): Promise<InvitationSummary[]> {
  const [rows] = await realm.call('invitations', [null, 100])
  return listOf(rows).map(decodeInvitationSummary)
}
