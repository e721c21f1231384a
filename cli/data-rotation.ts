import { join } from 'node:path'
import { AUDIT_FILES } from '../kdc/report/audit/files.js'
import { openLevelStore } from '../kdc/store/level/store.js'
import type { Store } from '../kdc/store/store.js'
import { rotateMasterKey } from '../kdc/upkeep/rotate-master-key.js'
import { rewrapAuditKey } from '../kdc/vault/audit-key.js'
import { masterKeyFile } from '../kdc/vault/master-key-place.js'
import { Vault } from '../kdc/vault/vault.js'
import type { RotationPosition, RotationStep } from '../shared/administration/master-key.js'
import { systemRandom } from '../shared/crypto/random.js'
import { filesIn } from './data-folder.js'
import type { FoundMasterKeys } from './master-key.js'

/**
 * The steps of a rotation in a data folder.
 * @param auditDirectory where the audit log is, if not in the data folder alone
 * @throws OrthrusError `unavailable` if a KDC has it open, or it is not whole
 */
export async function* rotateFolder(
  data: string,
  auditDirectory: string | undefined,
  keys: FoundMasterKeys,
): AsyncGenerator<RotationStep> {
  yield* rotateStore(
    await openLevelStore(filesIn(data).database, { create: false }),
    data,
    auditDirectory,
    keys,
  )
}

/**
 * The steps of a rotation of a store, which is closed at the end.
 * @param data the folder of the audit log, besides `auditDirectory`
 */
export async function* rotateStore(
  store: Store,
  data: string,
  auditDirectory: string | undefined,
  { current, previous, file }: FoundMasterKeys,
): AsyncGenerator<RotationStep> {
  const place = file === undefined ? undefined : masterKeyFile(file)
  const vault = new Vault(store, current, systemRandom, { previous, place })
  for (const directory of new Set([
    filesIn(data).audit,
    ...(auditDirectory === undefined ? [] : [auditDirectory]),
  ])) {
    const auditKey = join(directory, AUDIT_FILES.KEY)
    vault.onRotation(changed => rewrapAuditKey(auditKey, changed, systemRandom))
  }
  try {
    let position: RotationPosition | null = null
    do {
      const step: RotationStep = await rotateMasterKey(
        {
          vault,
          change: async plan => {
            const { changes, result } = await plan()
            await vault.commit(changes)
            return result
          },
        },
        position,
      )
      yield step
      position = step.next
    } while (position !== null)
  } finally {
    await vault.close()
  }
}
