import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { KDC_OLD_KEYS_MAX, REVOCATION_KEPT } from '../limits/defaults.js'
import type { PrincipalRecord } from '../vault/records.js'
import { withFreshKey, withoutEndedKeys } from './key-changes.js'
import { type OpenRealm, readRealm } from './realm.js'
import type { ReportedChange } from './reported-change.js'
import { readStoredPrincipal, type Versioned, writePrincipal } from './stored-principal.js'

/** How the keys of krbtgt and kdc change, by hand and on schedule (docs/protocol.md section 12). */

/**
 * A fresh key that is current at once. The key before opens tickets until the last one that was sealed under it has
 * ended, even if tickets have become shorter meanwhile.
 * @throws OrthrusError `malformed` if too many old keys are still in use
 */
export async function planFreshKey(
  { vault, random }: Pick<OpenRealm, 'vault' | 'random'>,
  { version, record }: Versioned<PrincipalRecord>,
  now: number,
): Promise<ReportedChange<number>> {
  const { longestLife } = await readRealm(vault)
  const ended = withoutEndedKeys(record, now)
  if (ended.keys.length > KDC_OLD_KEYS_MAX) {
    throw malformed(
      `${record.name} has ${ended.keys.length} keys that still open tickets: too many for another one`,
    )
  }
  const key = new LongTermKey(random(SIZE.KEY))
  const fresh = withFreshKey(ended, key, now, now + longestLife + REVOCATION_KEPT)
  const kvno = fresh.lastKvno
  return {
    changes: [writePrincipal({ version, record: fresh })],
    // Nothing ends, but whoever asked for the key shall find it at every KDC.
    effect: 'takes',
    result: kvno,
    reported: { method: 'rotate', principal: record.name, kvno },
  }
}

/** Erases the old keys under which no ticket can live any more. No change if there are none. */
export function planErasure(
  { version, record }: Versioned<PrincipalRecord>,
  now: number,
): ReportedChange<undefined> {
  const after = withoutEndedKeys(record, now)
  const gone = record.keys.filter(key => !after.keys.includes(key))
  if (gone.length === 0) return { changes: [], effect: 'grants', result: undefined, reported: undefined }
  return {
    changes: [writePrincipal({ version, record: after })],
    effect: 'takes',
    result: undefined,
    reported: { method: 'erase-keys', principal: record.name, kvnos: gone.map(({ kvno }) => kvno) },
  }
}

/** @throws OrthrusError `unavailable` */
export async function requireKdcPrincipal(
  { vault }: Pick<OpenRealm, 'vault'>,
  name: Principal,
): Promise<Versioned<PrincipalRecord>> {
  const stored = await readStoredPrincipal(vault, name)
  if (stored !== undefined && !stored.record.removed) return stored
  throw new OrthrusError('unavailable', `the realm has no ${name} any more`)
}
