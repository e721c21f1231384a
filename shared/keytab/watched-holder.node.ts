import { join } from 'node:path'
import type { OrthrusError } from '../errors.js'
import { type Clock, SECOND } from '../time.js'
import type { KeytabDisk } from './keytab-disk.node.js'
import { invalidFile, KEYTAB_FILE, type PrivateFileKind } from './private-file.js'

/** How long a holder of the lock of a keytab may show no life, milliseconds. */
export const DEAD_AFTER = 10 * SECOND

/** The names of holders' files. Whatever else is in the folder is somebody's, and is never deleted. */
const OWN_NAME = /^[0-9a-f]{16}$/

/** Whether the holder of a lock still shows that it lives, by the own clock alone. */
export class WatchedHolder {
  readonly #disk: KeytabDisk
  readonly #folder: string
  readonly #clock: Clock
  readonly #kind: PrivateFileKind
  #seen = ''
  #since = 0
  #names: readonly string[] = []

  /** @param kind of the file that the lock is for */
  constructor(disk: KeytabDisk, folder: string, clock: Clock, kind: PrivateFileKind = KEYTAB_FILE) {
    this.#disk = disk
    this.#folder = folder
    this.#clock = clock
    this.#kind = kind
  }

  async isDead(): Promise<boolean> {
    const now = this.#clock.monotonic()
    const seen = await this.#look()
    // A slow disk must not make a holder look dead: from the end of the first look to the beginning of the last one.
    if (seen !== this.#seen) [this.#seen, this.#since] = [seen, this.#clock.monotonic()]
    return now - this.#since >= DEAD_AFTER
  }

  /** Deletes only what did not change. Whatever was taken over, renewed or released meanwhile has other names. */
  async remove(): Promise<void> {
    for (const name of this.#names.filter(name => OWN_NAME.test(name)))
      await this.#disk.unlink(join(this.#folder, name)).catch(() => undefined)
    await this.#disk.rmdir(this.#folder).catch(() => undefined)
    this.#seen = ''
  }

  async #look(): Promise<string> {
    const folder = await this.#disk.lstat(this.#folder).catch(() => undefined)
    if (folder === undefined) return 'none'
    if (!folder.isDirectory()) throw notAFolder(this.#kind, this.#folder)
    this.#names = await this.#disk.readdir(this.#folder).catch(() => [])
    const facts = await Promise.all(
      this.#names.map(name => this.#disk.lstat(join(this.#folder, name)).catch(() => undefined)),
    )
    return JSON.stringify([
      folder.ino,
      folder.ctimeMs,
      this.#names,
      facts.map(each => [each?.ino, each?.ctimeMs]),
    ])
  }
}

function notAFolder(kind: PrivateFileKind, folder: string): OrthrusError {
  return invalidFile(kind, folder, 'is in the place of its lock', 'look what it is, and remove it')
}
