import type { OrthrusError } from '../../../shared/errors.js'
import { syncFolder } from '../../../shared/folder.node.js'
import { requirePath } from '../../../shared/keytab/keytab-path.js'
import { type Logger, silentLogger } from '../../../shared/logger.js'
import { requireKnownOptions } from '../../../shared/options.js'
import {
  requireChanges,
  requireName,
  requirePage,
  requireVersion,
  storeClosed,
  Watchers,
} from '../changes.js'
import type {
  Change,
  Listed,
  Page,
  RecordKind,
  Store,
  Stored,
  StoreSnapshot,
  WatchListener,
} from '../store.js'
import { BackgroundCheck, type Moment } from './background-check.js'
import { markClosedCleanly } from './clean-close.js'
import { CommitsFile } from './commit-count.js'
import { compactTables, type OpenDatabase } from './database.js'
import { explainFailure } from './failure.js'
import { createDatabase, openDatabase } from './open.js'
import { ReopenedDatabase } from './reopened.js'
import { LevelSnapshots, listedOf, rangeOf } from './snapshot.js'
import { decodeStored, encodeStep, keyOf, nextTally, type Step } from './step.js'
import { encodeTally, TALLY_KEY, type Tally } from './tally.js'
import type { Reading } from './whole-check.js'

export interface LevelStoreOptions {
  /** Whether to make a database in a folder that is new or empty, or to open an existing one. */
  readonly create: boolean
  /** Reports when opening takes long, and why. Silent by default. */
  readonly logger?: Logger
}

/**
 * A store in a LevelDB folder of its own, for one process. If it was not closed in order, opening it reads every record
 * once, to check that none is missing or changed.
 * @throws OrthrusError `unavailable`, with what to do, if the folder is in use, missing, damaged or out of space
 */
export async function openLevelStore(directory: string, options: LevelStoreOptions): Promise<Store> {
  requireKnownOptions<LevelStoreOptions>('openLevelStore', options, { create: true, logger: true })
  requirePath(directory)
  const { create, logger = silentLogger } = options
  if (create) await createDatabase(directory)
  return openStore(directory, logger, 'records')
}

/** A store that may be used before every record was read. */
export interface UnreadStore {
  readonly store: Store
  /** Reads the rest once it is told to begin. */
  readonly check: BackgroundCheck
}

/**
 * As `openLevelStore`, for whoever cannot wait until every record was read: a database that was not closed in order opens
 * when its files were checked, and `check` reads its records while it is used. If it finds that something is wrong, the
 * store does nothing any more, and its next opening reads every record first.
 * @throws OrthrusError `unavailable`
 */
export async function openUnreadStore(directory: string, logger: Logger): Promise<UnreadStore> {
  const store = await openStore(directory, logger, 'files')
  return { store, check: store.check }
}

async function openStore(directory: string, logger: Logger, reading: Reading): Promise<LevelStore> {
  const opened = await openDatabase(directory, logger, reading)
  try {
    const commitsFile = await CommitsFile.open(directory, opened.tally.commits)
    const database = new ReopenedDatabase(directory, logger, reading, opened)
    return new LevelStore({ directory, logger, opened, database, commitsFile })
  } catch (cause) {
    await opened.database.close()
    throw explainFailure(directory, 'cannot be opened', cause)
  }
}

interface LevelStoreParts {
  readonly directory: string
  readonly logger: Logger
  readonly opened: OpenDatabase
  readonly database: ReopenedDatabase
  readonly commitsFile: CommitsFile
}

class LevelStore implements Store {
  readonly #directory: string
  readonly #commitsFile: CommitsFile
  readonly #watchers = new Watchers()
  readonly #database: ReopenedDatabase
  readonly check: BackgroundCheck
  #damage: OrthrusError | undefined
  /** A commit failed half way: nothing more may be written before LevelDB has been opened again. */
  #doubtful: readonly Change[] | undefined
  readonly #snapshots: LevelSnapshots
  #tally: Tally
  #queue: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor({ directory, logger, opened, database, commitsFile }: LevelStoreParts) {
    this.#directory = directory
    this.#commitsFile = commitsFile
    this.#database = database
    this.#snapshots = new LevelSnapshots(directory)
    this.#tally = opened.tally
    const takeMoment = (): Promise<Moment> => this.#inOrder(() => this.#moment())
    const onDamage = (cause: OrthrusError): void => {
      this.#damage = cause
    }
    this.check = new BackgroundCheck({ directory, logger, takeMoment, onDamage }, opened)
  }

  async get(kind: RecordKind, name: string): Promise<Stored | undefined> {
    requireName(kind, name)
    this.#requireOpen()
    const stored = await this.#database.read(({ database }) => database.get(keyOf(kind, name)))
    return stored && decodeStored(stored)
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    this.#requireOpen()
    const entries = await this.#database.read(({ database }) => database.iterator(rangeOf(kind, page)).all())
    return entries.map(entry => listedOf(kind, entry))
  }

  async snapshot(): Promise<StoreSnapshot> {
    this.#requireOpen()
    return this.#database.read(async ({ database }) => this.#snapshots.take(database))
  }

  async compact(): Promise<void> {
    this.#requireOpen()
    return this.#inOrder(() => this.#compact())
  }

  async commit(changes: readonly Change[]): Promise<void> {
    requireChanges(changes)
    this.#requireOpen()
    if (changes.length === 0) return
    // Encoded immediately: the bytes belong to the caller again when this returns.
    const steps = changes.map(encodeStep)
    return this.#inOrder(() => this.#commit(steps))
  }

  /** Writes the tally as it is. A write that fails is dealt with as that of a commit is. */
  async requireWritable(): Promise<void> {
    this.#requireOpen()
    return this.#inOrder(() => this.#commit([]))
  }

  watch(listener: WatchListener): () => void {
    return this.#watchers.add(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(() => {
      this.#requireUndamaged()
      return work()
    })
    this.#queue = done.catch(() => undefined)
    return done
  }

  async #commit(steps: readonly Step[]): Promise<void> {
    if (this.#doubtful !== undefined) await this.#recover(this.#doubtful)
    const keys = steps.map(step => step.key)
    const current: (Uint8Array | undefined)[] = await this.#database.read(({ database }) =>
      database.getMany(keys),
    )
    for (const [i, step] of steps.entries()) {
      const stored = current[i]
      requireVersion(step, stored === undefined ? 0 : decodeStored(stored).version)
    }
    const tally = nextTally(this.#tally, steps, current)
    await this.#write(steps, tally)
    this.#tally = tally
    await this.#commitsFile.record(tally.commits)
    this.#watchers.notify(steps)
  }

  async #write(steps: readonly Step[], tally: Tally): Promise<void> {
    const { database } = await this.#database.current
    try {
      await database.batch(
        [
          ...steps.map(({ key, stored }) =>
            stored === undefined
              ? ({ type: 'del', key } as const)
              : ({ type: 'put', key, value: stored } as const),
          ),
          { type: 'put', key: TALLY_KEY, value: encodeTally(tally) },
        ],
        { sync: true },
      )
      // LevelDB syncs a log file that it has just begun, but not the folder with its name.
      await syncFolder(this.#directory)
    } catch (cause) {
      this.#doubtful = steps
      throw explainFailure(this.#directory, 'cannot be written', cause)
    }
  }

  async #compact(): Promise<void> {
    if (this.#doubtful !== undefined) await this.#recover(this.#doubtful)
    await this.#snapshots.closeAll()
    await this.#database.read(({ database }) => compactTables(database))
    // LevelDB removes the tables that it has merged, and nothing syncs that for it.
    await syncFolder(this.#directory)
  }

  async #moment(): Promise<Moment> {
    const opened = await this.#database.current
    return { opened, snapshot: this.#snapshots.take(opened.database), tally: this.#tally }
  }

  async #recover(doubtful: readonly Change[]): Promise<void> {
    this.#tally = (await this.#database.openAgain()).tally
    this.#doubtful = undefined
    this.check.reopened()
    // The commit may have been made in spite of the error.
    this.#watchers.notify(doubtful)
  }

  async #close(): Promise<void> {
    await this.check.close()
    await this.#queue
    await this.#snapshots.closeAll()
    const opened = await this.#database.close()
    await this.#commitsFile.close()
    // Where not every record was read, the next opening reads them again.
    const isWhole = opened !== undefined && this.check.isWhole(opened)
    if (isWhole && this.#doubtful === undefined) await markClosedCleanly(this.#directory)
    this.#watchers.clear()
  }

  #requireOpen(): void {
    this.#requireUndamaged()
    if (this.#closing !== undefined) throw storeClosed()
  }

  #requireUndamaged(): void {
    if (this.#damage !== undefined) throw this.#damage
  }
}
