import { createHash } from 'node:crypto'
import { open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from '../../../shared/folder.node.js'
import { COMMITS_FILE } from './commit-count.js'
import { isDatabaseFile, readFolder } from './folder.js'

/**
 * What a database was like when it was closed in order: its files, their sizes and when they were last changed. Of one
 * that no program has changed since, the checksums of its tables are looked at and no more: to look up every record
 * takes as long as reading it all. After a kill, a copy, or any change to a file that is done.
 */
const REST_FILE = 'REST'

/** Leaves word that the database was closed in order. One that cannot be written is no harm. */
export async function recordRest(directory: string): Promise<void> {
  const path = join(directory, REST_FILE)
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

/** Whether the database is as it was left when it was closed in order. */
export async function isAtRest(directory: string): Promise<boolean> {
  const line = await readFile(join(directory, REST_FILE), 'latin1').catch(() => undefined)
  return line !== undefined && line === (await lineOf(directory))
}

/** Before anything is changed: what a killed process leaves behind is not at rest. */
export async function endRest(directory: string): Promise<void> {
  await rm(join(directory, REST_FILE), { force: true })
  await syncFolder(directory)
}

async function lineOf(directory: string): Promise<string> {
  const hash = createHash('sha256')
  const names = (await readFolder(directory)).filter(name => isDatabaseFile(name) || name === COMMITS_FILE)
  for (const name of names.sort()) {
    // The time of change, which no program can set: writing, linking, renaming and restoring a file all move it.
    const { size, ctimeNs, ino } = await stat(join(directory, name), { bigint: true })
    hash.update(`${name} ${size} ${ctimeNs} ${ino}\n`)
  }
  return `orthrus rest 1 ${hash.digest('hex')}\n`
}
