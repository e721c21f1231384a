import { requirePage, snapshotClosed } from '../changes.js'
import type { Listed, Page, RecordKind, StoreSnapshot } from '../store.js'
import type { Database } from './database.js'
import { explainFailure } from './failure.js'
import { decodeStored, keyOf } from './step.js'

type LevelDbSnapshot = ReturnType<Database['snapshot']>

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

  take(database: Database): StoreSnapshot {
    const snapshot = new LevelSnapshot(this.#directory, database, closed => this.#open.delete(closed))
    this.#open.add(snapshot)
    return snapshot
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map(snapshot => snapshot.close()))
  }
}

class LevelSnapshot implements StoreSnapshot {
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

  async close(): Promise<void> {
    this.#isOpen = false
    this.#closed(this)
    // A database that is closed has closed its snapshots.
    await this.#snapshot.close().catch(() => undefined)
  }

  /** After a failed write the database is closed, and opened again as another. */
  #requireOpen(): void {
    if (!this.#isOpen || this.#database.status !== 'open') throw snapshotClosed()
  }
}

/** The keys of a page, for an iterator. */
export function rangeOf(kind: RecordKind, { after = '', limit }: Page) {
  return { gt: keyOf(kind, after), lt: `${kind}\u0001`, limit }
}

export function listedOf(kind: RecordKind, [key, stored]: readonly [string, Uint8Array]): Listed {
  return { name: key.slice(kind.length + 1), ...decodeStored(stored) }
}
