import { OrthrusError } from '../../../shared/errors.js'
import { requirePage, snapshotClosed } from '../changes.js'
import type { Listed, Page, RecordKind, StoreSnapshot } from '../store.js'
import type { Database } from './database.js'
import { explainFailure, isDamage } from './failure.js'
import { type LevelDbSnapshot, requireRecords } from './record-check.js'
import { decodeStored, keyOf } from './step.js'
import type { Tally } from './tally.js'

/**
 * Snapshots of one LevelDB database. Each keeps alive what is replaced or deleted after it, so none may be open while
 * old tables are compacted away.
 */
export class LevelSnapshots {
  readonly #directory: string
  readonly #open = new Set<LevelSnapshot>()

  constructor(directory: string) {
    this.#directory = directory
  }

  take(database: Database): LevelSnapshot {
    const snapshot = new LevelSnapshot(this.#directory, database, closed => this.#open.delete(closed))
    this.#open.add(snapshot)
    return snapshot
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map(snapshot => snapshot.close()))
  }
}

export class LevelSnapshot implements StoreSnapshot {
  readonly #directory: string
  readonly #database: Database
  readonly #snapshot: LevelDbSnapshot
  readonly #closed: (snapshot: LevelSnapshot) => void
  #isOpen = true

  constructor(directory: string, database: Database, closed: (snapshot: LevelSnapshot) => void) {
    this.#directory = directory
    this.#database = database
    this.#snapshot = database.snapshot()
    this.#closed = closed
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    this.#requireOpen()
    try {
      const entries = await this.#database
        .iterator({ ...rangeOf(kind, page), snapshot: this.#snapshot })
        .all()
      return entries.map(entry => listedOf(kind, entry))
    } catch (cause) {
      this.#requireOpen()
      throw explainFailure(this.#directory, 'cannot be read', cause)
    }
  }

  /** After a failed write the database is closed, and opened again as another. */
  get isOpen(): boolean {
    return this.#isOpen && this.#database.status === 'open'
  }

  /**
   * Reads all of it, and checks that it has every record as it was committed.
   * @param turn called between one page and the next
   * @returns what is wrong with it, if anything is
   * @throws OrthrusError `unavailable` if it cannot be read now, or was closed meanwhile
   */
  async findDamage(tally: Tally, turn: () => Promise<void>): Promise<OrthrusError | undefined> {
    const takeTurn = async (): Promise<void> => {
      await turn()
      this.#requireOpen()
    }
    try {
      await requireRecords(this.#directory, this.#database, tally, {
        snapshot: this.#snapshot,
        turn: takeTurn,
      })
      return undefined
    } catch (cause) {
      this.#requireOpen()
      const failure = explainFailure(this.#directory, 'cannot be read', cause)
      if (cause instanceof OrthrusError || isDamage(cause)) return failure
      throw failure
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#closed(this)
    // A database that is closed has closed its snapshots.
    await this.#snapshot.close().catch(() => undefined)
  }

  #requireOpen(): void {
    if (!this.isOpen) throw snapshotClosed()
  }
}

/** The keys of a page, for an iterator. */
export function rangeOf(kind: RecordKind, { after = '', limit }: Page) {
  return { gt: keyOf(kind, after), lt: `${kind}\u0001`, limit }
}

export function listedOf(kind: RecordKind, [key, stored]: readonly [string, Uint8Array]): Listed {
  return { name: key.slice(kind.length + 1), ...decodeStored(stored) }
}
