import type { Principal } from '../../shared/principal.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord, encodePrincipalRecord, type PrincipalRecord } from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'

/** A record with the version that a change of it must name. */
export interface Versioned<T> {
  readonly version: number
  readonly record: T
}

/** Reads the store and no cache. Tombstones are found too. @throws OrthrusError `unavailable` */
export async function readStoredPrincipal(
  vault: Vault,
  name: Principal,
): Promise<Versioned<PrincipalRecord> | undefined> {
  const stored = await vault.read(RECORD_KIND.PRINCIPAL, name)
  return stored && { version: stored.version, record: decodePrincipalRecord(stored.fields) }
}

export function writePrincipal({ version, record }: Versioned<PrincipalRecord>): VaultChange {
  const fields = encodePrincipalRecord(record)
  return { kind: RECORD_KIND.PRINCIPAL, name: record.name, expected: version, fields }
}
