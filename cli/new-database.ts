import { link, lstat, mkdtemp, readdir, rename, rm, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { alreadyThere } from '../kdc/upkeep/restore.js'
import { codeOf, createFolder, exists, syncFolder } from '../shared/folder.node.js'
import { filesIn } from './data-folder.js'

/**
 * Makes the database of a realm in a data folder that has none, in such a way that it may be interrupted anywhere. It is
 * made in a folder inside it, and then moved to its place in one step, which comes last. What an interrupted command left
 * is removed by the next one.
 */

/** Behind it come the number of the process that makes it, and random letters. */
const MAKING = 'making-'
const MAKER = /^making-(\d+)-\w+$/

/**
 * @param make makes `db`, and perhaps `admin.keytab`, in the folder that it is given
 * @throws OrthrusError `unavailable` if the folder has a database, or `admin.keytab` where one was made
 */
export async function makeNewDatabase<T>(folder: string, make: (making: string) => Promise<T>): Promise<T> {
  await createFolder(folder)
  await removeInterrupted(folder)
  const to = filesIn(folder)
  if (await exists(to.database)) throw alreadyThere(folder)
  const making = await mkdtemp(join(folder, `${MAKING}${process.pid}-`))
  try {
    const made = await make(making)
    const from = filesIn(making)
    if (await exists(from.adminKeytab)) await link(from.adminKeytab, to.adminKeytab)
    await syncFolder(folder)
    await moveIn(from.database, to.database, folder)
    await rm(making, { recursive: true, force: true })
    return made
  } catch (cause) {
    await undo(making, folder)
    throw cause
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
