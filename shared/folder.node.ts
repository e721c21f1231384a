import { lstat, mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Creating folders so that they survive a power cut. */

/** Writes a folder's list of names to stable storage. Windows has no such call. */
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
 * Creates the folder and any missing parents, accessible only to their owner. A folder that exists is left unchanged.
 * Node's own recursive `mkdir` never returns where the system creates no folders, as in /proc.
 * @throws the system's error
 */
export async function createFolder(directory: string): Promise<void> {
  const path = resolve(directory)
  try {
    await makeFolder(path)
  } catch (error) {
    // If the parent exists, the system refused for another reason.
    if (codeOf(error) !== 'ENOENT' || (await exists(dirname(path)))) throw error
    await createFolder(dirname(path))
    await makeFolder(path)
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    // For a folder that exists the system may report something other than EEXIST, such as a read-only disk.
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
 * Whether anything has this name. A link that leads nowhere counts.
 * @throws the system's error where this cannot be determined, as when a parent folder may not be entered
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

/** The system's name for what went wrong, such as `ENOENT`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
