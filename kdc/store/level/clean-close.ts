import { createHash } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from '../../../shared/folder.node.js'
import { COMMITS_FILE } from './commit-count.js'
import { isDatabaseFile, readFolder, readFolderFile } from './folder.js'

/**
 * The clean mark says what a database was like when it was closed in order: its files, their sizes and when they were
 * last changed. As long as the mark is right, only the checksums of the tables are verified when the database is
 * opened. After a kill, a copy, or any change to a file, every record is looked up, which takes as long as reading all
 * of it.
 */
export const MARK_FILE = 'REST'

/** Failing to write the mark does no harm: the next opening reads everything. */
export async function markClosedCleanly(directory: string): Promise<void> {
  const path = join(directory, MARK_FILE)
  try {
    const handle = await open(path, 'wx', 0o600)
    try {
      await handle.writeFile(await lineOf(directory))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await syncFolder(directory)
  } catch {
    await rm(path, { force: true }).catch(() => undefined)
  }
}

/** Whether the database was closed in order and has not changed since. */
export async function wasClosedCleanly(directory: string): Promise<boolean> {
  const line = await readFolderFile(join(directory, MARK_FILE)).catch(() => undefined)
  return line !== undefined && line.toString('latin1') === (await lineOf(directory))
}

/** Called before anything is changed, so that a killed process leaves no mark behind. */
export async function clearCleanMark(directory: string): Promise<void> {
  await rm(join(directory, MARK_FILE), { force: true })
  await syncFolder(directory)
}

async function lineOf(directory: string): Promise<string> {
  const hash = createHash('sha256')
  const names = (await readFolder(directory)).filter(name => isDatabaseFile(name) || name === COMMITS_FILE)
  for (const name of names.sort()) {
    // No program can set the time of change (ctime): writing, linking, renaming and restoring a file all move it.
    const { size, ctimeNs, ino } = await stat(join(directory, name), { bigint: true })
    hash.update(`${name} ${size} ${ctimeNs} ${ino}\n`)
  }
  return `orthrus rest 1 ${hash.digest('hex')}\n`
}
