import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { INVITED_KEYS } from '../limits/defaults.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import type { VaultChange } from '../vault/vault.js'
import {
  type InvitationRecord,
  invitationEnd,
  isFleet,
  isInvitationRecord,
  requireUsable,
  withUse,
} from './invitation.js'
import { withPromotedKey, withStagedKey } from './key-changes.js'
import { newPrincipal, tombstoneOf, withNewSeries } from './principal.js'
import { currentKey, nextKey } from './principal-keys.js'
import type { OpenRealm } from './realm.js'
import { type Revocation, revocationOfSeries } from './revocation-log.js'
import { readStoredPrincipal, type Versioned, writePrincipal } from './stored-principal.js'

/**
 * The keys that invitations hand out (docs/protocol.md section 12): staged by `enrol`, and made current by the first
 * login under them. Each function plans one commit from what the store has.
 */

type Stored = Pick<OpenRealm, 'vault' | 'random'>

export interface StagedByInvitation {
  readonly changes: readonly VaultChange[]
  readonly kvno: number
  readonly key: LongTermKey
}

/**
 * Stages a fresh key for a principal, which is made if there is none.
 * @param invitation one that is usable
 * @throws OrthrusError `malformed` if the instance of a fleet exists
 */
export async function stageInvited(
  realm: Stored,
  invitation: Versioned<InvitationRecord>,
  name: Principal,
  now: number,
): Promise<StagedByInvitation> {
  const key = new LongTermKey(realm.random(SIZE.KEY))
  const stored = await readStoredPrincipal(realm.vault, name)
  const record = await targetWith(realm, stored?.record, { invitation: invitation.record, name, key, now })
  const { staged, dropped } = stagedWith(invitation.record, name)
  const { version, record: inviting } = invitation
  const noted = { ...inviting, invitation: { ...inviting.invitation, staged } }
  const changes = [
    writePrincipal({ version: stored?.version ?? 0, record }),
    writePrincipal({ version, record: noted }),
    ...(await withoutStaged(realm, inviting, dropped, now)),
  ]
  return { changes, kvno: record.lastKvno, key }
}

interface Enrolment {
  readonly invitation: InvitationRecord
  readonly name: Principal
  readonly key: LongTermKey
  readonly now: number
}

async function targetWith(
  { vault, random }: Stored,
  found: PrincipalRecord | undefined,
  { invitation, name, key, now }: Enrolment,
): Promise<PrincipalRecord> {
  const { target, principalsLife } = invitation.invitation
  const stagedBy = invitation.name
  const expiresAt = principalsLife === null ? null : now + principalsLife
  if (found === undefined || found.removed) {
    return newPrincipal({ name, key, tombstone: found, stagedBy, expiresAt, now, random })
  }
  const staged = withStagedKey(found, key, stagedBy, now)
  if (!isFleet(target)) return staged
  if (!(await isAbandoned(vault, found, stagedBy, now))) throw taken(name)
  return { ...staged, expiresAt }
}

/** Whether the principal has no key but one that this invitation handed out, or one that has ended. */
async function isAbandoned(
  vault: OpenRealm['vault'],
  { keys }: PrincipalRecord,
  invitation: Principal,
  now: number,
): Promise<boolean> {
  const [only, ...others] = keys
  if (only?.state !== 'next' || only.stagedBy === null || others.length > 0) return false
  if (only.stagedBy === invitation) return true
  const other = (await readStoredPrincipal(vault, only.stagedBy))?.record
  return !isInvitationRecord(other) || invitationEnd(other, now) !== undefined
}

function taken(principal: Principal): OrthrusError {
  return new OrthrusError('malformed', `${principal} exists already`, {
    principal,
    hint: 'join as another instance, or leave the instance out to be given a free one',
  })
}

/** No more keys wait than hosts may still join, so whoever comes later takes the place of whoever came first. */
function stagedWith(
  { invitation }: InvitationRecord,
  name: Principal,
): { readonly staged: readonly Principal[]; readonly dropped: readonly Principal[] } {
  const all = [...invitation.staged.filter(other => other !== name), name]
  const most = Math.min(invitation.uses - invitation.used, INVITED_KEYS)
  const excess = Math.max(0, all.length - most)
  return { staged: all.slice(excess), dropped: all.slice(0, excess) }
}

/**
 * Takes back keys that the invitation handed out and nobody has logged in with. A principal that it made for one of
 * them is removed.
 */
export async function withoutStaged(
  { vault }: Pick<Stored, 'vault'>,
  { name: invitation, invitation: { target } }: InvitationRecord,
  names: readonly Principal[],
  now: number,
): Promise<VaultChange[]> {
  const found = await Promise.all(names.map(name => readStoredPrincipal(vault, name)))
  return found.flatMap(stored => {
    const staged = stored && nextKey(stored.record)
    if (stored === undefined || staged?.stagedBy !== invitation) return []
    const { version, record } = stored
    const keys = record.keys.filter(({ state }) => state !== 'next')
    const kept = { ...record, keys, changedAt: now }
    return [writePrincipal({ version, record: isFleet(target) ? tombstoneOf(kept) : kept })]
  })
}

/**
 * Makes the key that an invitation staged the principal's only one, and counts the use. The tickets of the principal,
 * and those for it under an older key, are revoked; and those of the invitation once it is used up.
 * @param use when, milliseconds of KDC time, and from which address the host has logged in
 * @returns nothing if the invitation is gone
 * @throws OrthrusError `revoked` if it has ended
 */
export async function promoteInvited(
  { vault, random, revocations, record: { longestLife } }: OpenRealm,
  { version, record }: Versioned<PrincipalRecord>,
  staged: StoredKey,
  invitation: Principal,
  use: { readonly at: number; readonly from: string },
): Promise<readonly VaultChange[]> {
  const inviting = await readStoredPrincipal(vault, invitation)
  if (inviting === undefined || !isInvitationRecord(inviting.record)) return []
  requireUsable(inviting.record, use.at)
  const joined = withNewSeries(withPromotedKey(record, staged, use.at), random, use.at)
  const used = withUse(inviting.record, record.name, use)
  const isUsedUp = invitationEnd(used, use.at) !== undefined
  const revoked = [...replacedBy(staged, record), ...(isUsedUp ? [revocationOfSeries(used)] : [])]
  return [
    writePrincipal({ version, record: joined }),
    writePrincipal({
      version: inviting.version,
      record: isUsedUp ? withNewSeries(used, random, use.at) : used,
    }),
    ...(await revocations.append(revoked, use.at, longestLife)),
  ]
}

/** What the holder of the key before has: nothing, if there was none. */
function replacedBy({ kvno }: StoredKey, record: PrincipalRecord): Revocation[] {
  if (currentKey(record) === undefined) return []
  return [revocationOfSeries(record), { kind: 'key', principal: record.name, by: kvno - 1 }]
}
