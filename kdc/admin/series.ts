import type { Principal } from '../../shared/principal.js'
import { type Withdrawal, withdrawFor } from '../realm/invitations.js'
import { withNewSeries } from '../realm/principal.js'
import { type Revocation, revocationOfSeries } from '../realm/revocation-log.js'
import type { PrincipalRecord } from '../vault/records.js'
import type { VaultChange } from '../vault/vault.js'
import { type AdminContext, changeRealm, requirePrincipal, writePrincipal } from './context.js'

/** How administrators end series of tickets (docs/protocol.md section 10). */

/** What a change adds to the revocation log. */
export interface Appended {
  readonly changes: VaultChange[]
  /** The number of the last entry. */
  readonly seq: number
}

/** The changes that add at least one entry to the log, kept for as long as anything that it revokes can live. */
export async function appendRevocations(
  { realm: { revocations, record } }: AdminContext,
  revoked: readonly Revocation[],
  now: number,
): Promise<Appended> {
  const changes = await revocations.append(revoked, now, record.longestLife)
  return { changes, seq: revocations.newest + revoked.length }
}

const NONE: Withdrawal = { changes: [], revoked: [] }

/**
 * Begins another series of the principal's tickets, and tells those who follow the log that the one before is dead.
 * @returns the number of the entry in the log
 * @throws OrthrusError `unknown_service` `not_authorized`
 */
export function revokeSeries(
  context: AdminContext,
  method: 'disable' | 'remove' | 'revoke-client',
  name: Principal,
  amend: (record: PrincipalRecord) => PrincipalRecord,
): Promise<number> {
  return changeRealm(context, async now => {
    const { version, record } = await requirePrincipal(context, name)
    // A code for a principal that was removed would make it again.
    const ended = method === 'remove' ? await withdrawFor(context.realm, name, now) : NONE
    const revoked = [revocationOfSeries(record), ...ended.revoked]
    const { changes, seq } = await appendRevocations(context, revoked, now)
    const amended = withNewSeries(amend(record), context.realm.random, now)
    return {
      changes: [writePrincipal({ version, record: amended }), ...ended.changes, ...changes],
      effect: 'takes',
      result: seq,
      reported: { method, principal: name },
    }
  })
}

/** What ended all keys of a principal. */
export interface KeysRevoked {
  /** The newest kvno that was ended. */
  readonly ended: number
  /** The newest kvno that the principal ever had: the fresh one, if it got one. */
  readonly kvno: number
  /** The number of the last entry in the log. */
  readonly seq: number
}

/**
 * Ends all keys of the principal, staged ones and invitations for it included, and all tickets for it or of it.
 * @param amend takes the keys away; told whether there was an invitation
 * @throws OrthrusError `unknown_service` `not_authorized`, and what `amend` throws
 */
export function revokeKeys(
  context: AdminContext,
  method: 'revoke-key' | 'replace-key' | 'reset-password',
  name: Principal,
  amend: (record: PrincipalRecord, now: number, wasInvited: boolean) => PrincipalRecord,
): Promise<KeysRevoked> {
  return changeRealm(context, async now => {
    const { version, record } = await requirePrincipal(context, name)
    const withdrawn = await withdrawFor(context.realm, name, now)
    const amended = amend(record, now, withdrawn.revoked.length > 0)
    const after = withNewSeries(amended, context.realm.random, now)
    const { lastKvno: ended } = record
    const key = { kind: 'key', principal: name, by: ended } as const
    const revoked = [revocationOfSeries(record), ...withdrawn.revoked, key]
    const { changes, seq } = await appendRevocations(context, revoked, now)
    const { lastKvno: kvno } = after
    return {
      changes: [writePrincipal({ version, record: after }), ...withdrawn.changes, ...changes],
      effect: 'takes',
      result: { ended, kvno, seq },
      reported: { method, principal: name, kvno: method === 'revoke-key' ? ended : kvno },
    }
  })
}
