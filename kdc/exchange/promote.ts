import type { Principal } from '../../shared/principal.js'
import { requireInviter } from '../issue/inviter.js'
import type { ExchangeContext } from '../realm/context.js'
import { isInvitationRecord } from '../realm/invitation.js'
import { promoteInvited } from '../realm/invited-keys.js'
import { withPromotedKey } from '../realm/key-changes.js'
import { requireEnabled } from '../realm/login.js'
import { nextKey } from '../realm/principal-keys.js'
import { changeReported } from '../realm/reported-change.js'
import { readStoredPrincipal, writePrincipal } from '../realm/stored-principal.js'
import { RECORD_KIND } from '../store/store.js'

/**
 * Makes a staged key current, because its holder has just logged in with it (docs/protocol.md section 12). When it
 * resolves, the change is on stable storage and the key before it is erased. If another login was first, or the key was
 * replaced meanwhile, nothing changes.
 * @param address that the login comes from
 * @throws OrthrusError `unavailable`, `principal_disabled`; `not_authorized` if its owner may invite it no longer; `revoked` if an invitation staged the key, and has ended
 */
export async function promoteKey(
  { realm, report }: ExchangeContext,
  name: Principal,
  kvno: number,
  address: string,
): Promise<void> {
  const actor = { by: [name], address }
  const change = realm.writer.change.bind(realm.writer)
  await changeReported({ change, report, actor }, async now => {
    const stored = await readStoredPrincipal(realm.vault, name)
    const staged = stored && nextKey(stored.record)
    if (stored === undefined || staged?.kvno !== kvno) {
      // What was in memory said otherwise.
      realm.directory.noticeChange(RECORD_KIND.PRINCIPAL, name)
      return { changes: [], effect: 'grants', result: undefined, reported: undefined }
    }
    requireEnabled(stored.record, now)
    const told = { method: 'promote', principal: name, kvno } as const
    const { stagedBy: invitation } = staged
    if (invitation !== null) {
      const inviting = (await readStoredPrincipal(realm.vault, invitation))?.record
      if (isInvitationRecord(inviting)) await requireInviter(realm, inviting, name, now)
      const changes = await promoteInvited(realm, stored, staged, invitation, { at: now, from: address })
      return {
        changes,
        effect: 'takes',
        result: undefined,
        reported: changes.length === 0 ? undefined : { ...told, invitation, address },
      }
    }
    const record = withPromotedKey(stored.record, staged, now)
    return {
      changes: [writePrincipal({ version: stored.version, record })],
      effect: 'takes',
      result: undefined,
      reported: told,
    }
  })
}
