import { rename } from 'node:fs/promises'
import type { Etcd } from '../kdc/store/etcd/etcd.js'
import { liveReplicas } from '../kdc/store/etcd/place.js'
import { createEtcdStore } from '../kdc/store/etcd/store.js'
import { openLevelStore } from '../kdc/store/level/store.js'
import type { Store } from '../kdc/store/store.js'
import { type MoveReport, markAsMoved, moveRealm } from '../kdc/upkeep/move-realm.js'
import type { MasterKeys } from '../kdc/vault/sealed-records.js'
import { Vault } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import { exists, syncFolder } from '../shared/folder.node.js'
import { filesIn, movedDatabaseIn, requireRealm } from './data-folder.js'
import { makeNewDatabase } from './new-database.js'

/** The two ways of `orthrus migrate`. Each may be interrupted anywhere, and finished by the same command. */

export interface MoveDataOptions {
  readonly folder: string
  readonly etcd: Etcd
  /** Of the keys of the realm on etcd. */
  readonly prefix: string
  readonly keys: MasterKeys
  readonly progress: (records: number) => void
}

/**
 * The database of the folder is renamed before the realm on etcd is served, so no KDC starts on it any more.
 * @throws OrthrusError `unavailable` if the folder has no realm, its KDC runs, or etcd has a realm there
 */
export async function moveToEtcd(options: MoveDataOptions): Promise<MoveReport> {
  const { folder, progress } = options
  const [database, moved] = [filesIn(folder).database, movedDatabaseIn(folder)]
  const isFenced = await requireOneDatabase(folder)
  const store = await openLevelStore(isFenced ? moved : database, { create: false })
  const source = vaultOn(store, options)
  let held: Store | undefined
  const fence = async (): Promise<void> => {
    if (!isFenced) held = await takeAway(folder, () => source.close())
  }
  try {
    return await moveRealm({ source, target: vaultOnEtcd(options), fence, progress })
  } finally {
    await source.close()
    await held?.close()
  }
}

/**
 * Renames the database, so that no KDC starts on it any more. One that a service manager started at this very moment has it
 * open under its new name too: that is seen by opening it again.
 * @param close ends the use of the database, which writes into its folder when it is closed
 * @returns the database under its new name, open, so that nobody else has it
 * @throws OrthrusError `unavailable` if somebody has it open
 */
export async function takeAway(folder: string, close: () => Promise<void>): Promise<Store> {
  const moved = movedDatabaseIn(folder)
  await close()
  await rename(filesIn(folder).database, moved)
  await syncFolder(folder)
  return await openLevelStore(moved, { create: false })
}

/**
 * The record of the realm on etcd gets another name before the database of the folder is in its place.
 * @throws OrthrusError `unavailable` if the folder has a database, or KDCs run on etcd
 */
export async function moveToFolder(options: MoveDataOptions): Promise<MoveReport> {
  const { folder, progress } = options
  const source = vaultOnEtcd(options)
  await requireNoKdc(options)
  return await makeNewDatabase(folder, async making => {
    const target = vaultOn(await openLevelStore(filesIn(making).database, { create: true }), options)
    try {
      const fence: Parameters<typeof moveRealm>[0]['fence'] = async realm => {
        await requireNoKdc(options)
        await markAsMoved(source, realm)
        // One that was started at this very moment has a place by now, because it takes that before it reads the realm.
        await requireNoKdc(options)
      }
      return await moveRealm({ source, target, fence, progress })
    } finally {
      await target.close()
    }
  })
}

/** @returns whether an interrupted move has renamed the database @throws OrthrusError `unavailable` */
async function requireOneDatabase(folder: string): Promise<boolean> {
  const [database, moved] = [filesIn(folder).database, movedDatabaseIn(folder)]
  const [isThere, wasMoved] = [await exists(database), await exists(moved)]
  if (isThere && wasMoved) {
    throw new OrthrusError('unavailable', `${folder} has db/ and, from an earlier move, db.moved/`, {
      final: true,
      hint: `move ${moved} away: it has keys of then`,
    })
  }
  if (!wasMoved) await requireRealm(folder)
  return wasMoved
}

/** A KDC that runs would go on from what it has in memory. */
async function requireNoKdc({ etcd, prefix }: MoveDataOptions): Promise<void> {
  const running = await liveReplicas(etcd, prefix)
  if (running.length === 0) return
  const which = running.length === 1 ? 'a KDC runs' : `${running.length} KDCs run`
  const ids = running.map(({ id }) => id).join(', ')
  throw new OrthrusError('unavailable', `${which} on the realm on etcd: ${ids}`, {
    final: true,
    hint: 'end each of them, wait two seconds, and run the command again',
  })
}

function vaultOnEtcd(options: MoveDataOptions): Vault {
  const { etcd, prefix } = options
  return vaultOn(createEtcdStore({ etcd, prefix }), options)
}

function vaultOn(store: ConstructorParameters<typeof Vault>[0], { keys }: MoveDataOptions): Vault {
  const { current, previous } = keys
  return new Vault(store, current, systemRandom, { previous })
}
