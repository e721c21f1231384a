import { unlink } from 'node:fs/promises'
import { createRealm } from '../kdc/realm/create-realm.js'
import { createMemoryStore } from '../kdc/store/memory.js'
import { RECORD_KIND, type Store, StoreConflict } from '../kdc/store/store.js'
import { createMasterKey, type MasterKey } from '../kdc/vault/master-key.js'
import { REALM_RECORD_NAME } from '../kdc/vault/records.js'
import { Vault, type VaultChange } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import type { KeytabEntry } from '../shared/keytab/keytab.js'
import type { RealmName } from '../shared/principal.js'
import { systemClock } from '../shared/time.js'
import type { RealmFiles } from './data-folder.js'
import { writeKeytab } from './keytab-output.js'

/**
 * Makes a realm on etcd. Its records are made in memory first, and its keys are on this disk before the one transaction
 * that puts all of it there: a realm whose keys nobody has would be lost.
 */
export interface MakeOnEtcdOptions {
  readonly store: Store
  /** Shown in errors. */
  readonly place: string
  readonly realm: RealmName
  /** Where the keys are written. */
  readonly files: Pick<RealmFiles, 'masterKey' | 'adminKeytab'>
  /** The master key, if it is kept elsewhere; otherwise one is drawn. */
  readonly elsewhere: MasterKey | undefined
}

/** @throws OrthrusError `unavailable` if there is a realm, `keytab_invalid` if a file cannot be written */
export async function makeRealmOnEtcd({
  store,
  place,
  realm,
  files,
  elsewhere,
}: MakeOnEtcdOptions): Promise<void> {
  if (await hasRealm(store)) throw taken(place)
  const made: string[] = []
  const key = elsewhere ?? (await createMasterKey(files.masterKey, systemRandom))
  if (elsewhere === undefined) made.push(files.masterKey)
  try {
    const { admin, changes } = await newRealm(realm, key)
    await writeKeytab(files.adminKeytab, [admin])
    made.push(files.adminKeytab)
    await new Vault(store, key, systemRandom).commit(changes)
  } catch (cause) {
    if (!(cause instanceof StoreConflict) && made.length > 1 && (await mayBeThere(store)))
      throw uncertain(place, cause)
    for (const path of made) await unlink(path)
    throw cause instanceof StoreConflict ? taken(place) : cause
  } finally {
    key.erase()
  }
}

/** The records of a new realm. */
async function newRealm(
  realm: RealmName,
  key: MasterKey,
): Promise<{ readonly admin: KeytabEntry; readonly changes: VaultChange[] }> {
  const vault = new Vault(createMemoryStore(), key, systemRandom)
  const admin = await createRealm({ vault, realm, clock: systemClock, random: systemRandom })
  const changes: VaultChange[] = []
  for (const kind of Object.values(RECORD_KIND)) {
    for (const { name, fields } of await vault.list(kind, { limit: 100 })) {
      changes.push({ kind, name, expected: 0, fields })
    }
  }
  await vault.close()
  return { admin, changes }
}

/** @throws OrthrusError `unavailable` */
export async function hasRealm(store: Store): Promise<boolean> {
  return (await store.get(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)) !== undefined
}

/** The answer to a commit may be lost on its way. */
function mayBeThere(store: Store): Promise<boolean> {
  return hasRealm(store).catch(() => true)
}

function uncertain(place: string, cause: unknown): OrthrusError {
  return new OrthrusError('unavailable', `nobody knows whether the realm was made at ${place}`, {
    cause,
    hint: `its keys are written: if "orthrus check --store ${place}" finds it, all is done; otherwise remove them and begin again`,
  })
}

/** @throws OrthrusError `unavailable` if the place has a realm */
export function taken(place: string): OrthrusError {
  return new OrthrusError('unavailable', `${place} has a realm already, and nothing is written over`, {
    final: true,
    hint: 'name another place with --store',
  })
}
