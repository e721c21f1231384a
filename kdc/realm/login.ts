import { OrthrusError } from '../../shared/errors.js'
import { isReserved } from '../../shared/principal.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import { isAnswered, requireUsable } from './invitation.js'
import { currentKey, nextKey } from './principal-keys.js'

/** Whether a principal can log in, and with which key: pure functions of its record (docs/protocol.md section 6). */

/**
 * The current key can log in, and so can the one that its holder or an invitation has staged; older keys only open
 * tickets. Nobody can log in as the KDC, nor as an invitation that ended long ago.
 * @param kvno 0 asks for the current key of a password
 */
export function loginKey(client: PrincipalRecord, kvno: number, now: number): StoredKey | undefined {
  if (isReserved(client.name) || !isAnswered(client, now)) return undefined
  const current = currentKey(client)
  if (kvno === 0) return current?.fromPassword ? current : undefined
  if (kvno === current?.kvno) return current
  const next = nextKey(client)
  return next?.kvno === kvno ? next : undefined
}

/**
 * @throws OrthrusError `principal_disabled` if the client is disabled, or has expired at `now`; `revoked` for an
 * invitation that has ended, whose holder is told how (section 12)
 */
export function requireEnabled(client: PrincipalRecord, now: number): void {
  requireUsable(client, now)
  const { name: principal, disabled, expiresAt } = client
  if (disabled) throw new OrthrusError('principal_disabled', `${principal} is disabled`, { principal })
  if (expiresAt !== null && now >= expiresAt) {
    throw new OrthrusError('principal_disabled', `${principal} has expired`, {
      principal,
      expected: expiresAt,
      actual: now,
    })
  }
}
