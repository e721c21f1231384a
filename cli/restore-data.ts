import { openLevelStore } from '../kdc/store/level/store.js'
import type { Backup } from '../kdc/upkeep/backup-form.js'
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
