import { join } from 'node:path'
import type { RandomSource } from '../shared/crypto/random.js'
import { silentLogger } from '../shared/logger.js'
import { DATA_FILES } from './data-files.js'
import type { KdcOptions } from './kdc-options.js'
import type { Measuring } from './metrics/measuring.js'
import { readRealm } from './realm/realm.js'
import { failsafeLogger } from './report/failsafe-logger.js'
import type { BackgroundCheck } from './store/level/background-check.js'
import { openUnreadStore } from './store/level/store.js'
import type { Store } from './store/store.js'
import { masterKeyFile, readMasterKeys } from './vault/master-key-place.js'
import type { MasterKeys } from './vault/sealed-records.js'
import { Vault } from './vault/vault.js'

/** The store and the master key of a KDC that starts, from where its options say that they are. */

export interface OpenedVault {
  readonly vault: Vault
  readonly keys: MasterKeys
  /** Rejects if the file of the master key is gone, or its key opens nothing. `undefined` if there is no file. */
  readonly requireMasterKey: (() => Promise<void>) | undefined
  /** Reads the records that were not read when the store was opened. `undefined` for a store that was handed over. */
  readonly check: BackgroundCheck | undefined
}

/** @throws OrthrusError `unavailable` if the store cannot be opened, `keytab_invalid` if the master key cannot be read */
export async function vaultFor(
  options: KdcOptions,
  random: RandomSource,
  measuring: Measuring | undefined,
): Promise<OpenedVault> {
  const { current, previous, file, reread } = await masterKeysOf(options)
  const { store, check } = await storeOf(options)
  const place = file === undefined ? undefined : masterKeyFile(file)
  return {
    vault: new Vault(measuring?.wrap(store) ?? store, current, random, { previous, place }),
    keys: { current, previous },
    requireMasterKey: reread && (async () => requireOpening(store, await reread(), random)),
    check,
  }
}

async function storeOf(options: KdcOptions): Promise<Pick<OpenedVault, 'check'> & { readonly store: Store }> {
  if ('store' in options) return { store: options.store, check: undefined }
  const logger = failsafeLogger(options.logger ?? silentLogger)
  return openUnreadStore(join(options.dataDirectory, DATA_FILES.DATABASE), logger)
}

interface FoundKeys extends MasterKeys {
  /** The file that a rotation may change. */
  readonly file: string | undefined
  readonly reread: (() => Promise<MasterKeys>) | undefined
}

async function masterKeysOf(options: KdcOptions): Promise<FoundKeys> {
  const { masterKey, previousMasterKey: previous, rereadMasterKey: reread } = options
  if (masterKey !== undefined) {
    const file = 'store' in options ? undefined : options.masterKeyFile
    return { current: masterKey, previous, file, reread }
  }
  const { dataDirectory, allowReadableMasterKey = false } = options as FolderOptions
  const file = join(dataDirectory, DATA_FILES.MASTER_KEY)
  const read = (): Promise<MasterKeys> => readMasterKeys(file, { allowReadableMasterKey })
  return { ...(await read()), file, reread: reread ?? read }
}

type FolderOptions = Extract<KdcOptions, { dataDirectory: string }>

/** @throws OrthrusError `unavailable` if the keys do not open what the store has of the realm */
async function requireOpening(
  store: Store,
  { current, previous }: MasterKeys,
  random: RandomSource,
): Promise<void> {
  try {
    await readRealm(new Vault(store, current, random, { previous }))
  } finally {
    current.erase()
    previous?.erase()
  }
}
