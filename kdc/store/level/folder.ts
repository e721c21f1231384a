import { constants } from 'node:fs'
import { copyFile, link, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { OrthrusError } from '../../../shared/errors.js'
import { codeOf } from '../../../shared/folder.node.js'

/** The files of the folder that LevelDB works in. */

/** The files that make up a database, by LevelDB's names, without its lock and its log for people. */
const DATABASE_FILE = /^(?:CURRENT|MANIFEST-\d+|\d+\.(?:log|ldb|sst))$/
const TABLE_FILE = /^\d+\.(?:ldb|sst)$/
const LOG_FILE = /^\d+\.log$/
const TRIAL = 'trial-'
const PROBE = 'probe.tmp'
/** What LevelDB needs beyond its logs to open again: a manifest, a new log. */
const SPARE_BYTES = 1 << 20

/** The names in a folder; empty if there is no folder. */
export async function readFolder(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

export function isDatabaseFile(name: string): boolean {
  return DATABASE_FILE.test(name)
}

export function isTableFile(name: string): boolean {
  return TABLE_FILE.test(name)
}

export function isLogFile(name: string): boolean {
  return LOG_FILE.test(name)
}

/** Logs and tables are numbered in the order in which LevelDB begins them. */
export function fileNumber(name: string): number {
  return Number.parseInt(name, 10)
}

/** Opening a pipe waits for its other end without this. Windows does not have it. */
export const NON_BLOCKING = constants.O_NONBLOCK ?? 0

/**
 * A pipe would be waited for without end, and a device can give bytes without end. LevelDB opens files itself, so this
 * is asked before it does.
 * @throws OrthrusError `unavailable` if one of these names in the folder, or what a link there leads to, is no file
 */
export async function requireFiles(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(directory, name)
    // A link that leads nowhere is left to those who open it.
    const found = await stat(path).catch(() => undefined)
    if (found?.isFile() === false) throw notAFile(path)
  }
}

/** Memory that one file after another is read into, which takes a third of the time of new memory for each. */
export class ReadRoom {
  #bytes = Buffer.alloc(0)

  /** Overwrites what was read into it before. */
  take(length: number): Buffer {
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(length)
    return this.#bytes.subarray(0, length)
  }
}

/**
 * The bytes of a file of the folder.
 * @throws OrthrusError `unavailable` if it is no file
 */
export async function readFolderFile(path: string, room = new ReadRoom()): Promise<Buffer> {
  const handle = await open(path, constants.O_RDONLY | NON_BLOCKING)
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw notAFile(path)
    const bytes = room.take(found.size)
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.subarray(0, length)
  } finally {
    await handle.close()
  }
}

export function notAFile(path: string): OrthrusError {
  const name = basename(path)
  return new OrthrusError(
    'unavailable',
    `the database in ${dirname(path)} cannot be opened: ${name} is a pipe, a device or a folder, and not a file`,
    { hint: `nothing was changed: find out what made ${name}, and put the file back or move it away` },
  )
}

/** Removes the trial folders of a process that was killed during a trial. */
export async function removeTrials(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(TRIAL)) await removeFolder(join(directory, name))
  }
}

/**
 * Calls `use` with a folder of links to these files, and removes the folder. LevelDB never changes an existing file: it
 * only makes new ones and removes names. So hard links are enough, and the files themselves stay unchanged.
 */
export async function withTrialFolder<T>(
  directory: string,
  files: readonly string[],
  use: (trial: string) => Promise<T>,
): Promise<T> {
  const trial = await mkdtemp(join(directory, TRIAL))
  try {
    for (const name of files) {
      const from = join(directory, name)
      const to = join(trial, name)
      // Some file systems have no hard links.
      await link(from, to).catch(() => copyFile(from, to))
    }
    return await use(trial)
  } finally {
    await removeFolder(trial)
  }
}

async function removeFolder(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}

/**
 * Checks that there is room to open the database again.
 * @throws the error of the file system if there is not
 */
export async function requireSpace(directory: string): Promise<void> {
  let bytes = SPARE_BYTES
  for (const name of await readdir(directory)) {
    // A log becomes a table twice, once of them in the trial.
    if (name.endsWith('.log')) bytes += 2 * (await stat(join(directory, name))).size
  }
  const probe = join(directory, PROBE)
  await rm(probe, { force: true })
  try {
    const handle = await open(probe, 'wx', 0o600)
    try {
      // Random, because some file systems store repeated bytes in no space at all.
      const block = crypto.getRandomValues(new Uint8Array(1 << 16))
      for (let written = 0; written < bytes; written += block.length) await handle.writeFile(block)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } finally {
    await rm(probe, { force: true })
  }
}
