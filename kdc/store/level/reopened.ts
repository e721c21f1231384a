import type { Logger } from '../../../shared/logger.js'
import type { OpenDatabase } from './database.js'
import { explainFailure } from './failure.js'
import { requireSpace } from './folder.js'
import { openDatabase } from './open.js'
import type { Reading } from './whole-check.js'

/** A database that is opened again after a failed write, while others read from it. */
export class ReopenedDatabase {
  readonly #directory: string
  readonly #logger: Logger
  readonly #reading: Reading
  #opened: Promise<OpenDatabase>
  /** The last opening failed: the next use of the database tries again. */
  #lost = false

  constructor(directory: string, logger: Logger, reading: Reading, opened: OpenDatabase) {
    this.#directory = directory
    this.#logger = logger
    this.#reading = reading
    this.#opened = Promise.resolve(opened)
  }

  /** The database that is open, or is being opened. */
  get current(): Promise<OpenDatabase> {
    return this.#opened
  }

  /** @throws OrthrusError `unavailable` */
  async read<T>(read: (opened: OpenDatabase) => Promise<T>): Promise<T> {
    if (this.#lost) this.#reopen(undefined)
    const opening = this.#opened
    const opened = await opening
    try {
      return await read(opened)
    } catch (cause) {
      // Closed by `openAgain` while it was being read.
      if (this.#opened !== opening) return this.read(read)
      throw explainFailure(this.#directory, 'cannot be read', cause)
    }
  }

  /**
   * After a failed write LevelDB may continue at the wrong place in its log, and nobody could read what it writes
   * there. So the database is opened again, but only once there is room for that. Until then the open one still answers
   * reads.
   * @throws OrthrusError `unavailable`
   */
  async openAgain(): Promise<OpenDatabase> {
    const opened = await this.#opened.catch(() => undefined)
    if (opened !== undefined) {
      await requireSpace(this.#directory).catch(cause => {
        throw explainFailure(this.#directory, 'cannot be written', cause)
      })
    }
    this.#reopen(opened)
    return await this.#opened
  }

  /** @returns what was open */
  async close(): Promise<OpenDatabase | undefined> {
    const opened = await this.#opened.catch(() => undefined)
    await opened?.database.close()
    return opened
  }

  #reopen(previous: OpenDatabase | undefined): void {
    this.#lost = false
    this.#opened = (async () => {
      await previous?.database.close()
      return openDatabase(this.#directory, this.#logger, this.#reading)
    })()
    this.#opened.catch(() => {
      this.#lost = true
    })
  }
}
