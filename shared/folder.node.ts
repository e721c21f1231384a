import { lstat, mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Folders and names in them, made so that they last. */

/** Puts the names in a folder on stable storage. Windows has no such call. */
export async function syncFolder(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Makes the folder for its owner alone, and those above it that are missing; one that exists is left as it is. Node's
 * own recursive `mkdir` never returns where the system makes no folders, as in /proc.
 * @throws the system's error
 */
export async function createFolder(directory: string): Promise<void> {
  const path = resolve(directory)
  try {
    await makeFolder(path)
  } catch (error) {
    // Where nothing is missing above it, the system has another reason.
    if (codeOf(error) !== 'ENOENT' || (await exists(dirname(path)))) throw error
    await createFolder(dirname(path))
    await makeFolder(path)
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    // A folder that is there is refused with other reasons than that, too: the disk is read-only, say.
    if (await isFolder(path)) return
    throw error
  }
  await syncFolder(dirname(path))
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
}

/**
 * Whether there is anything of this name, a link that leads nowhere included.
 * @throws the system's error where it cannot be said, as when a folder above may not be entered
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
    throw error
  }
}

/** The system's name for what went wrong, as `ENOENT`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
