import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, syncFolder } from '../../../shared/folder.node.js'
import { NON_BLOCKING, notAFile, readFolderFile } from './folder.js'

/**
 * A file beside the database that says how many commits the database must have. LevelDB cannot distinguish a log that
 * lost its end from one whose end was never written, and so would forget commits that were acknowledged.
 */
export const COMMITS_FILE = 'COMMITS'

const LINE = /^orthrus commits 1 (\d{16}) ([0-9a-f]{8})\n$/

function lineOf(commits: number): string {
  const digits = commits.toString().padStart(16, '0')
  return `orthrus commits 1 ${digits} ${createHash('sha256').update(digits).digest('hex').slice(0, 8)}\n`
}

/** @returns 0 if there is no such file, `undefined` if it was damaged */
export async function readCommits(directory: string): Promise<number | undefined> {
  let line: string
  try {
    line = (await readFolderFile(join(directory, COMMITS_FILE))).toString('latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0
    throw error
  }
  const commits = Number(LINE.exec(line)?.[1])
  return Number.isSafeInteger(commits) && line === lineOf(commits) ? commits : undefined
}

/** Writes the number, after each commit. */
export class CommitsFile {
  readonly #handle: FileHandle

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  static async open(directory: string, commits: number): Promise<CommitsFile> {
    const path = join(directory, COMMITS_FILE)
    // Not through a link, because the file that it leads to would be overwritten.
    const flags = constants.O_RDWR | constants.O_CREAT | NON_BLOCKING | (constants.O_NOFOLLOW ?? 0)
    const handle = await open(path, flags, 0o600)
    try {
      if (!(await handle.stat()).isFile()) throw notAFile(path)
      await handle.write(lineOf(commits), 0)
      await handle.sync()
      await syncFolder(directory)
      return new CommitsFile(handle)
    } catch (cause) {
      await handle.close()
      throw cause
    }
  }

  /**
   * The file is written in place and not synced. It outlives the process, but may lag behind after a loss of power,
   * which only makes it a weaker witness. For the same reason a commit does not fail when this does.
   */
  async record(commits: number): Promise<void> {
    await this.#handle.write(lineOf(commits), 0).catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.#handle.sync().catch(() => undefined)
    await this.#handle.close()
  }
}
