import type { OwnKeys, StagedKey } from '../../shared/administration/keys.js'
import type { PasswordKey } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { dueOf, keyLife, withOnlyKey, withStagedKey } from '../realm/key-changes.js'
import { withNewSeries } from '../realm/principal.js'
import { currentKey, hasPassword } from '../realm/principal-keys.js'
import { revocationOfSeries } from '../realm/revocation-log.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import { type AdminContext, changeRealm, requirePrincipal, writePrincipal } from './context.js'
import { requireSoundPassword } from './passwords.js'
import { appendRevocations } from './series.js'

/** What a principal may ask about its own keys, and how it changes them in place (docs/protocol.md section 12). */

/** The keys of the caller, and when the current one is due to change. */
export async function keys(context: AdminContext): Promise<OwnKeys> {
  const { record } = await requirePrincipal(context, ownName(context))
  return {
    keys: record.keys.map(({ kvno, state, createdAt }) => ({ kvno, state, createdAt })),
    due: dueOf(record, keyLife(context.realm.record.rotation, record.name)),
  }
}

/**
 * Stages a key that only the holder of the current one can derive from the result, in place of one staged before. The
 * first login with it makes it current.
 * @param kvno of the current key
 * @throws OrthrusError `malformed` if the current key is another one, or comes from a password
 */
export async function nextKey(context: AdminContext, kvno: number): Promise<StagedKey> {
  const { random } = context.realm
  return changeRealm(context, async now => {
    const { version, record } = await requirePrincipal(context, ownName(context))
    const current = requireRotatable(record, kvno)
    const salt = random(SIZE.KEY_SALT)
    const staged = withStagedKey(record, deriveNextKey(current.key, salt), null, now)
    return {
      changes: [writePrincipal({ version, record: staged })],
      // It drops what was staged before, and its holder may log in at another KDC.
      effect: 'takes',
      result: { kvno: staged.lastKvno, salt },
      reported: { method: 'next-key', principal: record.name, kvno: staged.lastKvno },
    }
  })
}

/**
 * Sets another password, in force at once. The key before is erased, and the tickets of every session end, those of the
 * caller included.
 * @returns the kvno of the new key
 * @throws OrthrusError `malformed` for unsound parameters, or if the caller has a random key: whoever stole a session
 * of it must not come to have its key
 */
export async function newPassword(context: AdminContext, password: PasswordKey): Promise<number> {
  requireSoundPassword(password)
  return changeRealm(context, async now => {
    const { version, record } = await requirePrincipal(context, ownName(context))
    if (!hasPassword(record)) throw malformed(`${record.name} has no password that it could change`)
    const changed = withOnlyKey(record, password.key, password.parameters, now)
    const after = withNewSeries(changed, context.realm.random, now)
    const { changes } = await appendRevocations(context, [revocationOfSeries(record)], now)
    return {
      changes: [writePrincipal({ version, record: after }), ...changes],
      effect: 'takes',
      result: after.lastKvno,
      reported: { method: 'new-password', principal: record.name, kvno: after.lastKvno },
    }
  })
}

function ownName({ caller }: AdminContext): Principal {
  if (caller !== undefined) return caller.client
  throw new OrthrusError('not_authorized', 'only a principal may call this, over a channel')
}

function requireRotatable(record: PrincipalRecord, kvno: number): StoredKey {
  const { name: principal } = record
  const current = currentKey(record)
  if (current === undefined) throw malformed(`${principal} has no current key`)
  if (current.fromPassword) {
    throw new OrthrusError('malformed', `the key of ${principal} comes from a password`, {
      principal,
      hint: `to change it, run: orthrus passwd ${principal}`,
    })
  }
  if (current.kvno === kvno) return current
  throw new OrthrusError('malformed', `the current key of ${principal} has another kvno`, {
    principal,
    expected: current.kvno,
    actual: kvno,
    hint: 'read the keytab again: another process may have changed the key',
  })
}
