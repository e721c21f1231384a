import type { FileHandle } from 'node:fs/promises'
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, syncFolder } from '../../../shared/folder.node.js'
import { DAY } from '../../../shared/time.js'
import type { AuditKey } from './chain.js'
import { ChainedLines } from './chained-lines.js'
import { findEnd, type LogEnd } from './end-of-log.js'
import { AUDIT_FILES, type AuditFile, auditFile, fileInPlace, fileToAppend } from './files.js'
import type { AuditEntry } from './line-text.js'
import { formatMark, type Mark } from './mark.js'
import { type AuditNote, noteEntry } from './notes.js'
import { outdatedFiles, type Retention } from './retention.js'

/** Somebody else changed the file that is written. */
export class LogChanged extends Error {
  override readonly name = 'LogChanged'
}

export interface AuditLogOptions {
  readonly directory: string
  readonly key: AuditKey
  readonly retention: Retention
  /** The KDC that writes, where several share the realm. */
  readonly replica?: string | undefined
}

/**
 * The files of an audit log, as their only writer sees them. What is stored is chained behind what is there. A write
 * that fails leaves nothing behind, so the same entries may be stored again.
 */
export class AuditLog {
  readonly #directory: string
  readonly #key: AuditKey
  readonly #retention: Retention
  readonly #lines: ChainedLines
  #last: Mark
  #file: AuditFile | undefined
  #handle: FileHandle | undefined
  #size: number
  #isCut: boolean
  /** Whether it was looked at since the last sync: others may write the file at any time, and are found soon enough. */
  #isChecked = false
  /** Whether a write that failed may have left a part of itself. */
  #isDirty = false
  /** The day that the current file is of. */
  #day: number | undefined
  #mark: FileHandle | undefined
  #markedN = -1

  private constructor({ directory, key, retention, replica }: AuditLogOptions, end: LogEnd) {
    this.#directory = directory
    this.#key = key
    this.#retention = retention
    this.#lines = new ChainedLines(key, replica)
    this.#last = { n: end.n, mac: end.mac }
    this.#file = end.file
    this.#size = end.size
    this.#isCut = end.isCut
  }

  /**
   * @param remembered the last line that was stored, if this process stored it
   * @returns the log, and what is wrong with its end
   * @throws the system's error
   */
  static async open(
    options: AuditLogOptions,
    remembered?: Mark,
  ): Promise<{ readonly log: AuditLog; readonly notes: readonly AuditNote[] }> {
    const { directory, key } = options
    const end = await findEnd(key, directory, join(directory, AUDIT_FILES.LAST_MARK), remembered)
    return { log: new AuditLog(options, end), notes: end.notes }
  }

  get #markPath(): string {
    return join(this.#directory, AUDIT_FILES.LAST_MARK)
  }

  /** The number of the last line. */
  get n(): number {
    return this.#last.n
  }

  /** The last line that was stored. */
  get last(): Mark {
    return this.#last
  }

  /** A copy of this text, kept elsewhere, shows later that the log was not cut before it. */
  get mark(): string {
    return formatMark(this.#key, this.last)
  }

  /**
   * Appends the entries. They are with the operating system when it resolves, so a kill loses none.
   * @returns whether another file was begun for them
   * @throws the system's error, LogChanged
   */
  async store(entries: readonly AuditEntry[]): Promise<boolean> {
    const [first] = entries
    if (first === undefined) return false
    const { bytes, last } = this.#lines.make(this.#last, entries, this.#isCut)
    const isNew = await this.#ready(first.at, bytes.length)
    await this.#write(bytes)
    this.#last = last
    return isNew
  }

  /** Brings what was stored to stable storage, and then the mark of its last line. @throws the system's error */
  async sync(): Promise<void> {
    if (this.#markedN === this.n) return
    this.#isChecked = false
    await this.#handle?.datasync()
    await this.#writeMark()
  }

  /**
   * Removes files that are too old, or too many. That they are removed is on stable storage first.
   * @param now milliseconds
   */
  async removeOutdated(now: number): Promise<AuditNote | undefined> {
    const outdated = await outdatedFiles(this.#directory, this.#key, this.#retention, now)
    if (outdated === undefined) return undefined
    const { note, files } = outdated
    if (files.length > 0) {
      await this.store([{ at: now, fields: noteEntry(note) }])
      await this.sync()
      for (const { path } of files) await unlink(path)
    }
    return note
  }

  async close(): Promise<void> {
    const [mark, handle] = [this.#mark, this.#handle]
    this.#mark = undefined
    this.#handle = undefined
    try {
      await mark?.sync()
    } finally {
      await Promise.allSettled([mark?.close(), handle?.close()])
    }
  }

  /** Makes sure that there is a file that takes so many bytes of this time. @returns whether it was begun now */
  async #ready(at: number, bytes: number): Promise<boolean> {
    const day = Math.floor(at / DAY)
    this.#day ??= day
    const isFull = this.#size > 0 && (this.#size + bytes > this.#retention.fileBytes || day > this.#day)
    if (isFull && !this.#isCut) {
      await this.#handle?.datasync()
      await this.#handle?.close()
      this.#handle = undefined
      this.#file = undefined
    }
    if (this.#file === undefined) return this.#begin(day)
    this.#handle ??= await fileToAppend(this.#file.path)
    await this.#requireUnchanged(this.#handle)
    return false
  }

  async #writeMark(): Promise<void> {
    this.#mark ??= await fileInPlace(this.#markPath)
    await this.#mark.write(`${this.mark}\n`, 0)
    this.#markedN = this.n
  }

  async #begin(day: number): Promise<true> {
    // A kill before the first sync must not look as if somebody had taken the mark away.
    if (this.n === 0 && !(await exists(this.#markPath))) await this.#writeMark()
    const file = auditFile(this.#directory, this.n + 1)
    this.#handle = await fileToAppend(file.path)
    this.#file = file
    this.#size = (await this.#handle.stat()).size
    this.#day = day
    await syncFolder(this.#directory)
    if (this.#size > 0) throw new LogChanged(`${file.name} is there already`)
    return true
  }

  /** @throws LogChanged if the file was removed, cut off, or written by another process */
  async #requireUnchanged(handle: FileHandle): Promise<void> {
    if (this.#isChecked) return
    const { size, nlink } = await handle.stat()
    if (this.#isDirty && size > this.#size) {
      await handle.truncate(this.#size)
      this.#isDirty = false
    } else if (size !== this.#size || nlink === 0) {
      throw new LogChanged(`${this.#file?.name} was ${nlink === 0 ? 'removed' : 'changed'} by somebody else`)
    }
    this.#isChecked = true
  }

  async #write(bytes: Buffer): Promise<void> {
    const handle = this.#handle
    if (handle === undefined) throw new TypeError('no file is open')
    try {
      for (let written = 0; written < bytes.length; ) {
        written += (await handle.write(bytes, written)).bytesWritten
      }
    } catch (cause) {
      this.#isDirty = true
      this.#isChecked = false
      // Nobody was told of these lines, so no trace of them need stay.
      await handle.truncate(this.#size).then(
        () => {
          this.#isDirty = false
        },
        () => {},
      )
      throw cause
    }
    this.#size += bytes.length
    this.#isCut = false
  }
}
