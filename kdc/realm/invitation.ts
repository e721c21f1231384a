import { formatInvitationEnd } from '../../shared/encoding/invitation-end.js'
import { type InvitationEnd, OrthrusError } from '../../shared/errors.js'
import { EVERYONE, isGroup, type Pattern } from '../../shared/pattern.js'
import {
  isInvitation,
  isReserved,
  kdcService,
  type Principal,
  parsePrincipal,
  realmOf,
} from '../../shared/principal.js'
import { encodeCaveat } from '../../shared/ticket/caveats.js'
import { INVITATION_ANSWERED } from '../limits/defaults.js'
import type { Invitation, PrincipalRecord } from '../vault/records.js'

/**
 * What an invitation is good for, and for how long: pure functions of its record (docs/protocol.md section 12). It is a
 * principal whose end is its `expiresAt`; one that was withdrawn is disabled.
 */

export type InvitationRecord = PrincipalRecord & { readonly invitation: Invitation }

export function isInvitationRecord(record: PrincipalRecord | undefined): record is InvitationRecord {
  return record !== undefined && record.invitation !== null
}

/** How the invitation ended; `undefined` while a host can still join with it, and for any other principal. */
export function invitationEnd(
  { invitation, disabled, changedAt, expiresAt }: PrincipalRecord,
  now: number,
): InvitationEnd | undefined {
  if (invitation === null) return undefined
  const { uses, used, lastUsedAt, lastUsedFrom } = invitation
  if (used >= uses) return { how: 'used', at: lastUsedAt ?? changedAt, from: lastUsedFrom }
  if (disabled) return { how: 'withdrawn', at: changedAt, from: null }
  if (expiresAt !== null && now >= expiresAt) return { how: 'expired', at: expiresAt, from: null }
  return undefined
}

/** @throws OrthrusError `revoked`, which says how the invitation ended */
export function requireUsable(record: PrincipalRecord, now: number): void {
  const end = invitationEnd(record, now)
  if (end === undefined) return
  const { name: principal } = record
  throw new OrthrusError('revoked', `${principal}: ${formatInvitationEnd(end)}`, {
    principal,
    invitation: end,
  })
}

/** Whether its key is still known: one that has ended is answered for a while, so that its holder learns how. */
export function isAnswered({ invitation, expiresAt }: PrincipalRecord, now: number): boolean {
  return invitation === null || expiresAt === null || now < expiresAt + INVITATION_ANSWERED
}

const NO_CAVEATS: readonly Uint8Array[] = []

/** The caveats of an invitation's TGT: it is good for nothing but a channel to the KDC. Others have none. */
export function tgtCaveats({ name, invitation }: PrincipalRecord): readonly Uint8Array[] {
  if (invitation === null) return NO_CAVEATS
  return [encodeCaveat({ name: 'services', services: [kdcService(realmOf(name))] })]
}

/** Whether the target is every instance of a name. */
export function isFleet(target: Pattern): boolean {
  return target.includes('/*@')
}

/** The principal that a host becomes, an instance of the name. @throws TypeError outside the grammar */
export function instanceOf(target: Pattern, instance: string): Principal {
  return parsePrincipal(target.replace('/*@', () => `/${instance}@`))
}

/** Whether there can be an invitation for the target. There is none for everyone, for a group, for the KDC or
 * for an invitation. */
export function isInvitable(target: Pattern): boolean {
  if (target === EVERYONE || isGroup(target)) return false
  const name = target.replace('/*@', '@') as Principal
  return !isReserved(name) && !isInvitation(name)
}

/** The record after a host has joined as this principal. */
export function withUse(
  record: InvitationRecord,
  principal: Principal,
  { at, from }: { readonly at: number; readonly from: string },
): InvitationRecord {
  const { invitation } = record
  const staged = invitation.staged.filter(name => name !== principal)
  const used = invitation.used + 1
  return {
    ...record,
    changedAt: at,
    invitation: { ...invitation, used, staged, lastUsedAt: at, lastUsedFrom: from },
  }
}
