import { rmdirSync, type Stats, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { HOUR } from '../time.js'

/**
 * Files that exist only while this process writes something, some of which contain keys. A process that ends by itself
 * removes them; one that a signal is to end, as Ctrl-C does, removes them here first; what is left of one that was killed is
 * removed by the next that writes the same file.
 */

/** What stands behind the name of a file while it is not yet in its place. */
const TEMPORARY = /^\.[0-9a-f]{12}\.tmp(?:\.link)?$/
/** How long after its last change a temporary file belongs to no process that still runs, milliseconds. */
const ABANDONED_AFTER = HOUR

const unfinished = new Map<string, Unfinished>()

export type Unfinished = 'file' | 'only file of its folder'

/**
 * Call it before the file is made.
 * @param kind whether its folder is to be removed too
 * @returns what to call when the file has its place, or is removed
 */
export function noteUnfinished(path: string, kind: Unfinished = 'file'): () => void {
  unfinished.set(path, kind)
  return () => unfinished.delete(path)
}

/** Removes all of them at once: nothing that is not done in this call may be done any more. */
export function removeUnfinished(): void {
  for (const [path, kind] of unfinished) {
    attempt(() => unlinkSync(path))
    if (kind === 'only file of its folder') attempt(() => rmdirSync(dirname(path)))
  }
  unfinished.clear()
}

function attempt(remove: () => void): void {
  try {
    remove()
  } catch {
    // It was not made yet, or is gone already.
  }
}

/** The calls by which files are found and removed. */
interface Disk {
  readonly lstat: (path: string) => Promise<Stats>
  readonly readdir: (path: string) => Promise<string[]>
  readonly unlink: (path: string) => Promise<void>
}

/**
 * Removes temporary files of the same name that a process left when it was killed: they have a key in them.
 * @param own of a file made just now: it tells the owner, and the time by the clock of the disk
 */
export async function removeAbandoned(
  path: string,
  own: Pick<Stats, 'uid' | 'ctimeMs'>,
  disk: Disk,
): Promise<void> {
  const [folder, base] = [dirname(path), basename(path)]
  const names = await disk.readdir(folder).catch(() => [])
  for (const name of names) {
    if (!name.startsWith(base) || !TEMPORARY.test(name.slice(base.length))) continue
    const other = join(folder, name)
    const facts = await disk.lstat(other).catch(() => undefined)
    if (facts?.uid !== own.uid || own.ctimeMs - facts.mtimeMs < ABANDONED_AFTER) continue
    await disk.unlink(other).catch(() => undefined)
  }
}

/**
 * Removes them whatever their age. Only for the one process that may write the file: what others are just writing would go.
 */
export async function removeAllTemporary(
  path: string,
  disk: Pick<Disk, 'readdir' | 'unlink'>,
): Promise<void> {
  const [folder, base] = [dirname(path), basename(path)]
  for (const name of await disk.readdir(folder)) {
    if (name.startsWith(base) && TEMPORARY.test(name.slice(base.length)))
      await disk.unlink(join(folder, name))
  }
}
