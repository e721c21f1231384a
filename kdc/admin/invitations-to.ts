import type { Principal } from '../../shared/principal.js'
import { endedInvitation } from '../realm/principal.js'
import type { Revocation } from '../realm/revocation-log.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord } from '../vault/records.js'
import type { VaultChange } from '../vault/vault.js'
import { type AdminContext, writePrincipal } from './context.js'
import { revocationOfSeries } from './series.js'

/** How the names of invitations begin (docs/protocol.md section 12). */
const PREFIX = 'invite-'
const PAGE = 256

/** What ends invitations. */
export interface EndedInvitations {
  readonly changes: readonly VaultChange[]
  readonly revoked: readonly Revocation[]
}

/**
 * Ends every invitation for exactly this principal, because what it staged would be another key of it. One for `name/*`
 * stays: it only makes principals that do not exist yet.
 */
export async function endInvitationsTo(
  { realm: { vault, random } }: AdminContext,
  name: Principal,
  now: number,
): Promise<EndedInvitations> {
  const changes: VaultChange[] = []
  const revoked: Revocation[] = []
  for (let after = PREFIX; ; ) {
    const page = await vault.list(RECORD_KIND.PRINCIPAL, { after, limit: PAGE })
    const invitations = page.filter(listed => listed.name.startsWith(PREFIX))
    for (const { version, fields } of invitations) {
      const record = decodePrincipalRecord(fields)
      if (record.invitation?.target !== (name as string) || record.removed) continue
      if (record.expiresAt !== null && record.expiresAt <= now) continue
      revoked.push(revocationOfSeries(record))
      changes.push(writePrincipal({ version, record: endedInvitation(record, random, now) }))
    }
    after = page.at(-1)?.name ?? after
    if (page.length < PAGE || invitations.length < page.length) return { changes, revoked }
  }
}
