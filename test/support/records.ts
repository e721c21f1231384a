import { RECORD_KIND } from '../../kdc/store/store.js'
import {
  decodePrincipalRecord,
  encodePrincipalRecord,
  type PrincipalRecord,
  type StoredKey,
} from '../../kdc/vault/records.js'
import type { Vault } from '../../kdc/vault/vault.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'

/** The record of a principal as the store has it. */
export async function readRecord(vault: Vault, name: Principal): Promise<PrincipalRecord> {
  return (await read(vault, name)).record
}

/** Edits a record behind the KDC's back, as another process on the same store would. */
export async function amendRecord(
  vault: Vault,
  name: Principal,
  amend: (record: PrincipalRecord) => PrincipalRecord,
): Promise<void> {
  const { version, record } = await read(vault, name)
  const fields = encodePrincipalRecord(amend(record))
  await vault.commit([{ kind: RECORD_KIND.PRINCIPAL, name, expected: version, fields }])
}

async function read(vault: Vault, name: Principal): Promise<{ version: number; record: PrincipalRecord }> {
  const stored = await vault.read(RECORD_KIND.PRINCIPAL, name)
  if (stored === undefined) throw new Error(`no record of ${name}`)
  return { version: stored.version, record: decodePrincipalRecord(stored.fields) }
}

/** A current key as a record has it. */
export function keyOf(kvno: number, key = new LongTermKey(systemRandom(32))): StoredKey {
  return { kvno, key, fromPassword: false, createdAt: 0, state: 'current', endsAt: null, stagedBy: null }
}

/** The same key once a newer one is current. */
export function retired(key: StoredKey): StoredKey {
  return { ...key, state: 'old' }
}
