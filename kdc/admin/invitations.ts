import type {
  InvitationSummary,
  MadeInvitation,
  NewInvitation,
} from '../../shared/administration/invitations.js'
import { toHex } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { type Principal, principalIn, realmOf } from '../../shared/principal.js'
import { formatTime } from '../../shared/time.js'
import { OWNER_INVITATION_MAX, REALM_BOUNDS } from '../limits/defaults.js'
import {
  type InvitationRecord,
  invitationEnd,
  isFleet,
  isInvitable,
  isInvitationRecord,
} from '../realm/invitation.js'
import { storedInvitations, withdraw } from '../realm/invitations.js'
import { newPrincipal } from '../realm/principal.js'
import type { Inviter } from '../vault/records.js'
import {
  type AdminContext,
  changeRealm,
  readPrincipal,
  requirePrincipal,
  shortName,
  writePrincipal,
} from './context.js'
import { rowsOwned, type Subject } from './owners.js'
import { isAdministrator } from './role.js'
import { appendRevocations } from './series.js'

/** How administrators make, list and withdraw invitations (docs/protocol.md section 12). */

/** The most hosts that one invitation is for. */
const USES_MAX = 1_000_000

/**
 * Makes an invitation: a principal with a key, an end and a target. Its key is returned once.
 * @throws OrthrusError `malformed` for a target, a number of uses or an end that makes no sense
 */
export async function invite(context: AdminContext, wanted: NewInvitation): Promise<MadeInvitation> {
  requireSensible(context, wanted)
  const { realm } = context
  const { target, uses, endsAt, principalsLife } = wanted
  const key = new LongTermKey(realm.random(SIZE.KEY))
  return changeRealm(context, async now => {
    const invitedBy = await ownerIn(context)
    if (invitedBy !== null && endsAt > now + OWNER_INVITATION_MAX) throw tooLong()
    if (endsAt <= now) throw malformed('the invitation would have ended already')
    const name = principalIn(realm.record.realm, `invite-${toHex(realm.random(8))}`)
    const invitation = {
      target,
      uses,
      used: 0,
      staged: [],
      principalsLife,
      lastUsedAt: null,
      lastUsedFrom: null,
      invitedBy,
    }
    const record = newPrincipal({
      name,
      key,
      invitation,
      expiresAt: endsAt,
      now,
      random: realm.random,
    })
    return {
      // A name that is taken makes the commit fail, as no two of these draws are ever the same.
      changes: [writePrincipal({ version: 0, record })],
      effect: 'grants',
      result: { invitation: { principal: name, kvno: record.lastKvno, key }, endsAt },
      reported: { method: 'invite', principal: name, ...wanted },
    }
  })
}

/** Who invites as an owner; null for an administrator. */
async function ownerIn(context: AdminContext): Promise<Inviter | null> {
  const { caller } = context
  if (caller === undefined || isAdministrator(caller.claims)) return null
  const { name, clientId } = (await requirePrincipal(context, caller.client)).record
  return { name, clientId }
}

function tooLong(): OrthrusError {
  return new OrthrusError('malformed', 'an invitation by an owner ends within a day', {
    hint: 'give it a shorter time, as --expires 1h',
  })
}

/** What an invitation is for. */
export async function targetOf(name: Principal, context: AdminContext): Promise<Subject> {
  return { service: (await readPrincipal(context, name))?.record.invitation?.target }
}

function requireSensible({ realm }: AdminContext, { target, uses, principalsLife }: NewInvitation): void {
  if (!isInvitable(target)) throw malformed(`nobody can be invited as ${target}`)
  // A pattern that is not for everyone ends in a realm, as a principal does.
  if (realmOf(target as string as Principal) !== realm.record.realm) {
    throw malformed(`${target} is not of the realm ${realm.record.realm}`)
  }
  if (uses < 1 || uses > USES_MAX) throw malformed(`an invitation is for 1 to ${USES_MAX} hosts`)
  if (principalsLife !== null && principalsLife > REALM_BOUNDS.CENTURY)
    throw malformed('instances exist for a century at most: leave their end out')
  if (isFleet(target)) return
  if (uses > 1) throw malformed('one principal is one host: invite several as instances, NAME/*')
  if (principalsLife !== null) throw malformed('only the instances of a name, NAME/*, are made with an end')
}

/** Invitations in the order of their names, those after `after`, also for a day after they have ended. */
export async function invitations(
  context: AdminContext,
  after: Principal | null,
  limit: number,
): Promise<InvitationSummary[]> {
  const isOwned = await rowsOwned(context)
  const rows: InvitationSummary[] = []
  for await (const { record } of storedInvitations(context.realm.vault, after)) {
    if (!(await isOwned(record.invitation.target))) continue
    if (rows.push(summaryOf(record)) === limit) break
  }
  return rows
}

function summaryOf({
  name,
  invitation,
  expiresAt,
  createdAt,
  disabled,
}: InvitationRecord): InvitationSummary {
  const { staged, invitedBy, ...rest } = invitation
  const ends = { endsAt: expiresAt ?? Number.MAX_SAFE_INTEGER, createdAt, withdrawn: disabled }
  return { invitation: name, ...rest, ...ends, staged: staged.length }
}

/**
 * Ends an invitation before its time. The keys that it handed out, and that nobody has logged in with yet, are dropped.
 * @returns the number of the entry in the revocation log
 * @throws OrthrusError `unknown_service` if there is no such invitation; `revoked` if it has ended already
 */
export async function uninvite(context: AdminContext, name: Principal): Promise<number> {
  const { realm } = context
  return changeRealm(context, async now => {
    const found = await readPrincipal(context, name)
    const record = found?.record
    if (found === undefined || !isInvitationRecord(record)) throw unknown(name)
    requireOpen(record, now)
    const ended = await withdraw(realm, { version: found.version, record }, now)
    const { changes, seq } = await appendRevocations(context, ended.revoked, now)
    return {
      changes: [...ended.changes, ...changes],
      effect: 'takes',
      result: seq,
      reported: { method: 'uninvite', principal: name, used: record.invitation.used },
    }
  })
}

function unknown(principal: Principal): OrthrusError {
  return new OrthrusError('unknown_service', `there is no invitation ${principal}`, {
    principal,
    hint: 'run: orthrus admin invitations',
  })
}

function requireOpen(record: InvitationRecord, now: number): void {
  const end = invitationEnd(record, now)
  if (end === undefined) return
  const { name: principal, invitation } = record
  const from = end.from === null ? '' : ` from ${end.from}`
  const hint =
    end.how === 'used' && !isFleet(invitation.target)
      ? `if that was not the host that you invited, its key is in other hands: orthrus admin revoke key ${shortName(invitation.target as string as Principal)}`
      : 'orthrus admin invitations shows them'
  throw new OrthrusError('revoked', `${principal} was ${end.how} at ${formatTime(end.at)}${from} already`, {
    principal,
    hint,
  })
}
