import { link, lstat, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createRealm } from '../kdc/realm/create-realm.js'
import { openLevelStore } from '../kdc/store/level/store.js'
import { createMasterKey, type MasterKey } from '../kdc/vault/master-key.js'
import { Vault } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { codeOf, exists, syncFolder } from '../shared/folder.node.js'
import type { RealmName } from '../shared/principal.js'
import { systemClock } from '../shared/time.js'
import { filesIn, type RealmFiles } from './data-folder.js'
import { writeKeytab } from './keytab-output.js'

/**
 * Makes a realm's folder in such a way that it may be interrupted anywhere. Everything is made in a folder inside it,
 * and then moved to its place. One file comes first, by a link, which succeeds for only one of several processes: the
 * master key, or admin.keytab where the master key is kept elsewhere. The database comes last. Until the database is
 * there, the folder has no realm; once the first file is there, the next `orthrus init` finishes it.
 */

const MAKING = 'init-'

/**
 * Makes the files of a realm in a folder that has none.
 * @param elsewhere the master key, if it is kept elsewhere; otherwise one is drawn, and written into the folder
 * @returns false if another process made or finished it first
 * @throws the system's error, or OrthrusError; what was made is removed
 */
export async function makeRealm(folder: string, realm: RealmName, elsewhere?: MasterKey): Promise<boolean> {
  const making = await mkdtemp(join(folder, MAKING))
  const first = elsewhere === undefined ? 'masterKey' : 'adminKeytab'
  try {
    await makeFiles(making, realm, elsewhere)
    if (!(await claim(filesIn(making)[first], filesIn(folder)[first]))) {
      await remove(making)
      return false
    }
  } catch (cause) {
    await remove(making)
    throw cause
  }
  // If something fails from here on, the next `orthrus init` finishes it.
  return await moveIn(making, folder)
}

async function makeFiles(making: string, realm: RealmName, elsewhere?: MasterKey): Promise<void> {
  const { database, masterKey, adminKeytab } = filesIn(making)
  const key = elsewhere ?? (await createMasterKey(masterKey, systemRandom))
  const store = await openLevelStore(database, { create: true })
  const vault = new Vault(store, key, systemRandom)
  try {
    const admin = await createRealm({ vault, realm, clock: systemClock, random: systemRandom })
    await writeKeytab(adminKeytab, [admin])
  } finally {
    await vault.close()
    key.erase()
  }
}

async function claim(made: string, name: string): Promise<boolean> {
  try {
    await link(made, name)
    return true
  } catch (cause) {
    if (await exists(name)) return false
    throw cause
  }
}

/** @returns whether this process put the database in its place */
async function moveIn(making: string, folder: string): Promise<boolean> {
  const [from, to] = [filesIn(making), filesIn(folder)]
  await link(from.adminKeytab, to.adminKeytab).catch(async cause => {
    if (!(await isSameFile(from.adminKeytab, to.adminKeytab)) && !(await exists(to.database))) throw cause
  })
  await syncFolder(folder)
  const isMover = await rename(from.database, to.database).then(
    () => true,
    async cause => {
      if (await exists(to.database)) return false
      throw cause
    },
  )
  await syncFolder(folder)
  // Also removes what others left that were interrupted before their claim, or that came too late.
  for (const left of await makingsIn(folder)) await remove(left)
  return isMover
}

/**
 * Finishes what an interrupted `orthrus init` began.
 * @returns whether this process did
 */
export async function finishRealm(folder: string): Promise<boolean> {
  for (const making of await makingsIn(folder)) {
    if (await hasClaimed(filesIn(making), filesIn(folder))) return await moveIn(making, folder)
  }
  return false
}

async function hasClaimed(made: RealmFiles, names: RealmFiles): Promise<boolean> {
  return (await exists(made.masterKey))
    ? await isSameFile(made.masterKey, names.masterKey)
    : await isSameFile(made.adminKeytab, names.adminKeytab)
}

async function makingsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(name => name.startsWith(MAKING))
  return names.map(name => join(folder, name))
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = [await lstat(a, { bigint: true }), await lstat(b, { bigint: true })]
    return one.ino === other.ino && one.dev === other.dev
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** Removes what it can: another process may be working in it. */
async function remove(making: string): Promise<void> {
  await rm(making, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
}
