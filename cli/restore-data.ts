import { link, lstat, mkdtemp, readdir, rename, rm, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { openLevelStore } from '../kdc/store/level/store.js'
import type { Backup } from '../kdc/upkeep/backup-form.js'
import { alreadyThere, type RestoreReport, restoreRealm } from '../kdc/upkeep/restore.js'
import type { MasterKey } from '../kdc/vault/master-key.js'
import { Vault } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { codeOf, createFolder, exists, syncFolder } from '../shared/folder.node.js'
import { systemClock } from '../shared/time.js'
import { filesIn } from './data-folder.js'
import { writeKeytab } from './keytab-output.js'

/**
 * Restores into a data folder in such a way that it may be interrupted anywhere. The database is made in a folder inside
 * it, and then moved to its place in one step, which comes last. What an interrupted restore left is removed by the next.
 */

/** Behind it come the number of the process that makes it, and random letters. */
const MAKING = 'restore-'
const MAKER = /^restore-(\d+)-\w+$/

export interface RestoreDataOptions {
  readonly backup: Backup
  readonly masterKey: MasterKey
  readonly folder: string
  /** Whether to write `admin.keytab` with a fresh key of the administrator. */
  readonly freshAdmin: boolean
}

/** @throws OrthrusError `unavailable` if the folder has a database, or `admin.keytab` where it is to be written */
export async function restoreData(options: RestoreDataOptions): Promise<RestoreReport> {
  const { folder, freshAdmin } = options
  await createFolder(folder)
  await removeInterrupted(folder)
  const to = filesIn(folder)
  if (await exists(to.database)) throw alreadyThere(folder)
  const making = await mkdtemp(join(folder, `${MAKING}${process.pid}-`))
  try {
    const report = await makeDatabase(making, options)
    const from = filesIn(making)
    if (freshAdmin && report.admin !== undefined) {
      await writeKeytab(from.adminKeytab, [report.admin])
      await link(from.adminKeytab, to.adminKeytab)
    }
    await syncFolder(folder)
    await moveIn(from.database, to.database, folder)
    await rm(making, { recursive: true, force: true })
    return report
  } catch (cause) {
    await undo(making, folder)
    throw cause
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

/** A folder takes no place that another one with files in it has. */
async function moveIn(from: string, to: string, folder: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (cause) {
    if (await exists(to)) throw alreadyThere(folder)
    throw cause
  }
  await syncFolder(folder)
}

async function undo(making: string, folder: string): Promise<void> {
  const [from, to] = [filesIn(making), filesIn(folder)]
  if (await isSameFile(from.adminKeytab, to.adminKeytab)) await unlink(to.adminKeytab)
  await rm(making, { recursive: true, force: true })
}

/** What processes left that run no more. The keytab of one that did not get its database into place opens nothing. */
export async function removeInterrupted(folder: string): Promise<void> {
  const hasDatabase = await exists(filesIn(folder).database)
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(MAKER.exec(basename(name))?.[1])
    if (!Number.isSafeInteger(pid) || isRunning(pid)) continue
    if (hasDatabase) await rm(join(folder, name), { recursive: true, force: true })
    else await undo(join(folder, name), folder)
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return codeOf(cause) !== 'ESRCH'
  }
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = [await lstat(a, { bigint: true }), await lstat(b, { bigint: true })]
    return one.ino === other.ino && one.dev === other.dev
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false
    throw cause
  }
}
