import { execFile } from 'node:child_process'
import { cp, mkdir, open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { FaultRealm } from '../support/folder-realm.js'

/**
 * Disks without room. Every POSIX shell can limit how large the files of a process grow (`ulimit -f`): to that process
 * the disk is full. If mounting is allowed, a file system of a few megabytes is really full.
 */

const run = promisify(execFile)
/** POSIX counts in blocks of 512 bytes. */
const BLOCK = 512

/** For `spawnKdc` and `run`: limits the files of the command that follows to so many bytes. */
export function withFilesUpTo(bytes: number): string[] {
  // Only the soft limit, so that it can be raised again.
  return ['sh', '-c', `ulimit -S -f ${Math.floor(bytes / BLOCK)} && exec "$@"`, 'sh']
}

/**
 * Lifts the limit of a running process.
 * @returns false if the machine has no `prlimit`
 */
export async function liftLimit(pid: number): Promise<boolean> {
  return run('prlimit', ['--pid', String(pid), '--fsize=unlimited:']).then(
    () => true,
    () => false,
  )
}

export interface SmallDisk {
  /** The realm's data folder on it, relative to the realm's folder. */
  readonly data: string
  /** Takes all room but about this many bytes. */
  fill(left: number): Promise<void>
  free(): Promise<void>
  unmount(): Promise<void>
}

/**
 * Puts the realm's data on a file system of its own.
 * @returns why not, if that is not allowed
 */
export async function mountSmallDisk(realm: FaultRealm, bytes: number): Promise<SmallDisk | string> {
  const at = join(realm.folder, 'small')
  await mkdir(at)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', at])
  } catch (cause) {
    return cause instanceof Error ? cause.message.trim() : String(cause)
  }
  await cp(realm.data, join(at, 'data'), { recursive: true })
  const filler = join(at, 'filler')
  const fill = async (left: number): Promise<void> => {
    const { bavail, bsize } = await statfs(at)
    const file = await open(filler, 'w')
    await file.writeFile(Buffer.alloc(Math.max(0, bavail * bsize - left))).finally(() => file.close())
  }
  return {
    data: 'small/data',
    fill,
    free: () => rm(filler),
    unmount: async () => {
      await run('umount', [at])
    },
  }
}
