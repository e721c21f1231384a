import type { Principal } from '../../shared/principal.js'
import { INVITATIONS_CLEARED } from '../limits/defaults.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord } from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'
import { type InvitationRecord, invitationEnd, isAnswered, isInvitationRecord } from './invitation.js'
import { withoutStaged } from './invited-keys.js'
import { withNewSeries } from './principal.js'
import type { OpenRealm } from './realm.js'
import type { ReportedChange } from './reported-change.js'
import { type Revocation, revocationOfSeries } from './revocation-log.js'
import { readStoredPrincipal, type Versioned, writePrincipal } from './stored-principal.js'

/** All invitations of a realm, as the store has them (docs/protocol.md section 12). */

const PREFIX = 'invite-'
const PAGE = 256

/** In the order of their names, those after `after`; removed ones are left out. @throws OrthrusError `unavailable` */
export async function* storedInvitations(
  vault: Vault,
  after: Principal | null,
): AsyncGenerator<Versioned<InvitationRecord>> {
  for (let last: string = after ?? PREFIX; ; ) {
    const page = await vault.list(RECORD_KIND.PRINCIPAL, { after: last, limit: PAGE })
    for (const { name, version, fields } of page) {
      if (!name.startsWith(PREFIX)) return
      const record = decodePrincipalRecord(fields)
      if (isInvitationRecord(record)) yield { version, record }
      last = name
    }
    if (page.length < PAGE) return
  }
}

/** What ends an invitation before its time: its series, and the keys that it staged. */
export interface Withdrawal {
  readonly changes: readonly VaultChange[]
  readonly revoked: readonly Revocation[]
}

/** Nobody can join with the invitation any more, nor log in with a key that it handed out. */
export async function withdraw(
  { vault, random }: Pick<OpenRealm, 'vault' | 'random'>,
  { version, record }: Versioned<InvitationRecord>,
  now: number,
): Promise<Withdrawal> {
  const taken = await withoutStaged({ vault }, record, record.invitation.staged, now)
  const over = withNewSeries(withdrawn(record), random, now)
  return {
    changes: [writePrincipal({ version, record: over }), ...taken],
    revoked: [revocationOfSeries(record)],
  }
}

/**
 * Withdraws every invitation for exactly this principal, in a change that takes all keys of the principal away: those
 * that the invitations staged for it are left to that change.
 */
export async function withdrawFor(
  { vault, random }: Pick<OpenRealm, 'vault' | 'random'>,
  principal: Principal,
  now: number,
): Promise<Withdrawal> {
  const changes: VaultChange[] = []
  const revoked: Revocation[] = []
  for await (const { version, record } of storedInvitations(vault, null)) {
    const { target } = record.invitation
    if ((target as string) !== principal || invitationEnd(record, now) !== undefined) continue
    changes.push(writePrincipal({ version, record: withNewSeries(withdrawn(record), random, now) }))
    revoked.push(revocationOfSeries(record))
  }
  return { changes, revoked }
}

function withdrawn(record: InvitationRecord): InvitationRecord {
  return { ...record, disabled: true, invitation: { ...record.invitation, staged: [] } }
}

/** The names of invitations that are answered no longer; a few at a time, in one pass over all invitations. */
export async function* outdatedInvitations(vault: Vault, now: number): AsyncGenerator<readonly Principal[]> {
  let names: Principal[] = []
  for await (const { record } of storedInvitations(vault, null)) {
    if (isAnswered(record, now)) continue
    if (names.push(record.name) < INVITATIONS_CLEARED) continue
    yield names
    names = []
  }
  if (names.length > 0) yield names
}

/**
 * Removes those of the invitations that are answered no longer, with the keys that they staged. No change if another
 * process has removed them.
 */
export async function planClearing(
  { vault }: Pick<OpenRealm, 'vault'>,
  names: readonly Principal[],
  now: number,
): Promise<ReportedChange<undefined>> {
  const changes: VaultChange[] = []
  const principals: Principal[] = []
  for (const stored of await Promise.all(names.map(name => readStoredPrincipal(vault, name)))) {
    if (stored === undefined || !isInvitationRecord(stored.record) || isAnswered(stored.record, now)) continue
    const { version, record } = stored
    // Nothing is kept: such a name is never drawn again, and every search for invitations would pass what is left.
    changes.push({ kind: RECORD_KIND.PRINCIPAL, name: record.name, expected: version, fields: undefined })
    changes.push(...(await withoutStaged({ vault }, record, record.invitation.staged, now)))
    principals.push(record.name)
  }
  const reported =
    principals.length === 0 ? undefined : ({ method: 'clear-invitations', principals } as const)
  return { changes, effect: 'takes', result: undefined, reported }
}
