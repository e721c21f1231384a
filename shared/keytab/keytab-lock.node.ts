import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { OrthrusError } from '../errors.js'
import { codeOf } from '../folder.node.js'
import { type Clock, MINUTE, SECOND } from '../time.js'
import { type Cancel, inBackground, runEvery, sleep, type Timers } from '../timers.js'
import { type KeytabDisk, systemDisk } from './keytab-disk.node.js'
import { invalidFile, KEYTAB_FILE, type PrivateFileKind } from './private-file.js'
import { noteUnfinished, removeAbandoned } from './unfinished-files.node.js'
import { DEAD_AFTER, WatchedHolder } from './watched-holder.node.js'

/**
 * The lock under which a keytab, or another private file, is read, amended and replaced: a folder beside it, with one file in it, that of the
 * holder. The file becomes the new keytab. Nothing but the files of the volume is needed, so processes of several
 * containers can share a keytab.
 *
 * A holder shows that it lives by touching its file. Whoever sees no change for `DEAD_AFTER` deletes the file by its
 * name, which no other holder has, and then the folder. A holder that was only paused cannot replace the keytab any
 * more, because the file that it would rename is gone: the system decides this in one step.
 */

/** Milliseconds. */
const HEARTBEAT = 2 * SECOND
/** How often a process that waits looks again, milliseconds: between one and two of these. */
const LOOK = 50
/** How long a process waits for holders that live, milliseconds. */
const PATIENCE = 2 * MINUTE

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW

export interface LockOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly signal?: AbortSignal | undefined
  readonly disk?: KeytabDisk
  /** What the file is. Default: a keytab. */
  readonly kind?: PrivateFileKind
}

/**
 * Waits for the lock, and takes that of a dead holder over.
 * @throws OrthrusError `keytab_invalid`, or the code of the kind, if the folder cannot be written; `unavailable` if others
 * keep the lock
 */
export async function lockKeytab(path: string, options: LockOptions): Promise<KeytabLock> {
  const { clock, timers, signal, disk = systemDisk, kind = KEYTAB_FILE } = options
  const target = { path, kind }
  const until = clock.monotonic() + PATIENCE
  const watched = new WatchedHolder(disk, lockFolder(path), clock, kind)
  for (;;) {
    const file = await enter(disk, target)
    if (file !== undefined) return new KeytabLock(target, file, { timers, disk })
    if (clock.monotonic() >= until) throw busy(target)
    if (await watched.isDead()) await watched.remove()
    else await sleep(timers, LOOK + ((randomBytes(1)[0] ?? 0) % LOOK), signal)
  }
}

function lockFolder(path: string): string {
  return `${path}.lock`
}

/** The file that is locked. */
interface Target {
  readonly path: string
  readonly kind: PrivateFileKind
}

interface OwnFile {
  readonly path: string
  readonly handle: FileHandle
}

interface NotedFile extends OwnFile {
  /** It is to be removed no more if a signal ends the process. */
  readonly forget: () => void
}

/** @returns undefined if another process has the lock */
async function enter(disk: KeytabDisk, target: Target): Promise<NotedFile | undefined> {
  const own = join(lockFolder(target.path), randomBytes(8).toString('hex'))
  const forget = noteUnfinished(own, 'only file of its folder')
  let handle: FileHandle | undefined
  try {
    handle = await enterWith(disk, target, own)
    return handle && { path: own, handle, forget }
  } finally {
    if (handle === undefined) forget()
  }
}

/** Makes the folder and the own file in it. @returns undefined if another process has the lock */
async function enterWith(disk: KeytabDisk, target: Target, own: string): Promise<FileHandle | undefined> {
  const folder = dirname(own)
  try {
    await disk.mkdir(folder, 0o700)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return undefined
    throw unwritable(target, cause)
  }
  const handle = await openIn(disk, target, own)
  if (handle === undefined) return undefined
  if (await isAlone(disk, folder, basename(own))) return handle
  await leave(disk, folder, { path: own, handle })
  return undefined
}

/** @returns undefined if another process took the empty folder for that of a dead holder */
async function openIn(disk: KeytabDisk, target: Target, own: string): Promise<FileHandle | undefined> {
  try {
    return await disk.open(own, NEW_FILE, 0o600)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    await disk.rmdir(dirname(own)).catch(() => undefined)
    throw unwritable(target, cause)
  }
}

/**
 * Two processes can be in one folder, if the folder of one was removed as a dead holder's before its file was in it.
 * Each makes its file before it looks, so that at most one of them sees itself alone.
 */
async function isAlone(disk: KeytabDisk, folder: string, name: string): Promise<boolean> {
  const names = await disk.readdir(folder).catch(() => [])
  return names.length === 1 && names[0] === name
}

/** What fails here is removed later, as a dead holder's. */
async function leave(disk: KeytabDisk, folder: string, { path, handle }: OwnFile): Promise<void> {
  await handle.close().catch(() => undefined)
  await disk.unlink(path).catch(() => undefined)
  await disk.rmdir(folder).catch(() => undefined)
}

/** A lock that is held. It is over once the keytab was replaced. */
export class KeytabLock {
  readonly #target: Target
  readonly #path: string
  readonly #own: NotedFile
  readonly #disk: KeytabDisk
  readonly #stopBeating: Cancel
  #isOver = false

  constructor(target: Target, own: NotedFile, { timers, disk }: { timers: Timers; disk: KeytabDisk }) {
    this.#target = target
    this.#path = target.path
    this.#own = own
    this.#disk = disk
    let beats = 0
    this.#stopBeating = runEvery(inBackground(timers), HEARTBEAT, () => {
      // The time itself means nothing to others: they look whether it changes.
      own.handle.utimes(++beats, beats).catch(() => undefined)
    })
  }

  /** The keytab, which only this process may replace now. @throws OrthrusError `keytab_invalid` */
  read(): ReturnType<KeytabDisk['read']> {
    return this.#disk.read(this.#path)
  }

  /**
   * Puts the text in the place of the keytab, whole or not at all, on stable storage, with the same owner and for it
   * only.
   * @param old which file was read; undefined if there was none, so that there may be none now
   * @throws OrthrusError `unavailable` if the lock was taken over, or somebody else changed the keytab;
   * `keytab_invalid` if it cannot be written
   */
  async replace(text: string, old: Stats | undefined): Promise<void> {
    try {
      await this.#fill(text, old)
      await this.#takePlace(old)
      await this.#disk.syncFolder(dirname(this.#path))
    } catch (cause) {
      throw cause instanceof OrthrusError ? cause : unwritable(this.#target, cause)
    } finally {
      await this.release()
    }
  }

  async #fill(text: string, old: Stats | undefined): Promise<void> {
    const { handle } = this.#own
    // This sets aside the umask of the process and what the folder passes on.
    await handle.chmod(0o600)
    const facts = await handle.stat()
    const { uid, gid } = old ?? facts
    if (uid !== facts.uid || gid !== facts.gid) await handle.chown(uid, gid)
    await removeAbandoned(this.#path, { ...facts, uid }, this.#disk)
    await handle.writeFile(text)
    await handle.sync()
  }

  async #takePlace(old: Stats | undefined): Promise<void> {
    const { handle, path } = this.#own
    if (!isSameVersion(await this.#present(old), old)) throw changed(this.#target)
    try {
      await this.#disk.rename(path, this.#path)
    } catch (cause) {
      throw codeOf(cause) === 'ENOENT' ? lost(this.#target) : cause
    }
    const [written, named] = [await handle.stat(), await this.#disk.lstat(this.#path)]
    if (written.ino !== named.ino || written.dev !== named.dev) throw changed(this.#target)
  }

  async #present(old: Stats | undefined): Promise<Stats | undefined> {
    try {
      return await this.#disk.lstat(this.#path)
    } catch (cause) {
      if (old === undefined && codeOf(cause) === 'ENOENT') return undefined
      throw cause
    }
  }

  /** Gives the lock up. What was not put in the place of the keytab is removed. Calling it twice does nothing. */
  async release(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopBeating()
    await leave(this.#disk, lockFolder(this.#path), this.#own)
    this.#own.forget()
  }
}

function isSameVersion(one: Stats | undefined, other: Stats | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return (
    one.ino === other.ino && one.dev === other.dev && one.size === other.size && one.mtimeMs === other.mtimeMs
  )
}

function busy({ path, kind }: Target): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `another process has had the lock of the ${kind.name} ${path} for minutes`,
    {
      hint: `try again; if no such process lives, remove ${lockFolder(path)}`,
    },
  )
}

function lost({ path, kind }: Target): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `the lock of the ${kind.name} ${path} was taken over, because this process stood still for ${DEAD_AFTER / SECOND} s`,
    { hint: 'try again' },
  )
}

function changed({ path, kind }: Target): OrthrusError {
  return new OrthrusError('unavailable', `the ${kind.name} ${path} was changed by somebody else meanwhile`, {
    hint: 'try again',
  })
}

/** The error for a keytab that could not be replaced, with what to do. */
export function unwritableKeytab(path: string, cause: unknown): OrthrusError {
  return unwritable({ path, kind: KEYTAB_FILE }, cause)
}

function unwritable({ path, kind }: Target, cause: unknown): OrthrusError {
  const code = codeOf(cause)
  const mounted = code === 'EBUSY' || code === 'EXDEV' || code === 'EROFS'
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'the disk is full: free some space'
      : mounted
        ? `a key that changes needs a folder that can be written: mount the folder ${dirname(path)}, not the file`
        : `its owner must be able to write into ${dirname(path)}`
  return invalidFile(kind, path, `could not be replaced: ${code}`, hint, cause)
}
