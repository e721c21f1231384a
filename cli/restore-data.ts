import { openLevelStore } from '../kdc/store/level/store.js'
import { createMemoryStore } from '../kdc/store/memory.js'
import type { Store } from '../kdc/store/store.js'
import type { Backup } from '../kdc/upkeep/backup-form.js'
import { moveRealm } from '../kdc/upkeep/move-realm.js'
import { type RestoreReport, restoreRealm } from '../kdc/upkeep/restore.js'
import type { MasterKey } from '../kdc/vault/master-key.js'
import { Vault } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { systemClock } from '../shared/time.js'
import { filesIn } from './data-folder.js'
import { writeKeytab } from './keytab-output.js'
import { makeNewDatabase } from './new-database.js'

export interface RestoreDataOptions {
  readonly backup: Backup
  readonly masterKey: MasterKey
  readonly folder: string
  /** Whether to write `admin.keytab` with a fresh key of the administrator. */
  readonly freshAdmin: boolean
}

/**
 * Restores into a data folder.
 * @throws OrthrusError `unavailable` if the folder has a database, or `admin.keytab` where it is to be written
 */
export function restoreData(options: RestoreDataOptions): Promise<RestoreReport> {
  return makeNewDatabase(options.folder, async making => {
    const report = await makeDatabase(making, options)
    if (report.admin !== undefined) await writeKeytab(filesIn(making).adminKeytab, [report.admin])
    return report
  })
}

/**
 * Restores into a store that has no realm, and closes it. The realm is made in memory first and its record written last,
 * so that a restore that was interrupted leaves no half of a realm, and may be run again.
 * @throws OrthrusError `unavailable` if the store has a realm
 */
export async function restoreToStore(store: Store, options: RestoreDataOptions): Promise<RestoreReport> {
  const { backup, masterKey, folder, freshAdmin } = options
  const target = new Vault(store, masterKey, systemRandom)
  try {
    const made = new Vault(createMemoryStore(), masterKey, systemRandom)
    const now = Math.floor(systemClock.now())
    const report = await restoreRealm({
      backup,
      masterKey,
      target: made,
      now,
      random: systemRandom,
      freshAdmin,
    })
    if (report.admin !== undefined) await writeKeytab(filesIn(folder).adminKeytab, [report.admin])
    await moveRealm({ source: made, target, fence: async () => undefined })
    return report
  } finally {
    await target.close()
  }
}

async function makeDatabase(
  making: string,
  { backup, masterKey, freshAdmin }: RestoreDataOptions,
): Promise<RestoreReport> {
  const store = await openLevelStore(filesIn(making).database, { create: true })
  const target = new Vault(store, masterKey, systemRandom)
  try {
    const now = Math.floor(systemClock.now())
    return await restoreRealm({ backup, masterKey, target, now, random: systemRandom, freshAdmin })
  } finally {
    await target.close()
  }
}
