import { withCopy } from '../kdc/store/level/copy.js'
import { openLevelStore } from '../kdc/store/level/store.js'
import type { Store } from '../kdc/store/store.js'
import type { Backup } from '../kdc/upkeep/backup-form.js'
import { snapshotOf } from '../kdc/upkeep/backup-records.js'
import { type CheckReport, checkRealm } from '../kdc/upkeep/check.js'
import { decodeBackup } from '../kdc/upkeep/decode-backup.js'
import type { MasterKey } from '../kdc/vault/master-key.js'
import type { MasterKeys } from '../kdc/vault/sealed-records.js'
import { readBackupFile } from './backup-file.js'
import { filesIn } from './data-folder.js'

/** @throws OrthrusError `unavailable` if it cannot be read, or is no whole backup */
export async function readBackup(file: string, masterKey: MasterKey): Promise<Backup> {
  return decodeBackup(file, await readBackupFile(file), masterKey)
}

export function checkBackup(backup: Backup, masterKey: MasterKey): Promise<CheckReport> {
  return checkRealm(snapshotOf(backup), { current: masterKey, previous: undefined })
}

/** @throws OrthrusError as `readBackup` does */
export async function checkBackupFile(file: string, masterKey: MasterKey): Promise<CheckReport> {
  return checkBackup(await readBackup(file, masterKey), masterKey)
}

/** @throws OrthrusError `unavailable` if the database is not whole */
export function checkFolder(data: string, keys: MasterKeys): Promise<CheckReport> {
  return withCopy(filesIn(data).database, async copy =>
    checkStore(await openLevelStore(copy, { create: false }), keys),
  )
}

/** Of a store that is closed then. @throws OrthrusError `unavailable` if it cannot be read */
export async function checkStore(store: Store, keys: MasterKeys): Promise<CheckReport> {
  try {
    return await checkRealm(await store.snapshot(), keys)
  } finally {
    await store.close()
  }
}
