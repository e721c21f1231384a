import { openLevelStore } from '../kdc/store/level/store.js'
import type { Store } from '../kdc/store/store.js'
import { BackupStream } from '../kdc/upkeep/backup-stream.js'
import type { MasterKeys } from '../kdc/vault/sealed-records.js'
import { Vault } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { systemClock } from '../shared/time.js'
import { filesIn } from './data-folder.js'

/**
 * The bytes of a backup of a data folder.
 * @throws OrthrusError `unavailable` if a KDC has it open, or it is not whole
 */
export async function* piecesOfFolder(data: string, keys: MasterKeys): AsyncGenerator<Uint8Array> {
  yield* piecesOf(await openLevelStore(filesIn(data).database, { create: false }), keys)
}

/** The bytes of a backup of a store, which is closed at the end. @throws OrthrusError `unavailable` */
export async function* piecesOf(store: Store, keys: MasterKeys): AsyncGenerator<Uint8Array> {
  try {
    const stream = await BackupStream.begin(
      new Vault(store, keys.current, systemRandom, { previous: keys.previous }),
      Math.floor(systemClock.now()),
    )
    try {
      for (;;) {
        const piece = await stream.next()
        if (piece === undefined) return
        yield piece
      }
    } finally {
      await stream.close()
    }
  } finally {
    await store.close()
  }
}
