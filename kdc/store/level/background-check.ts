import type { OrthrusError } from '../../../shared/errors.js'
import type { Logger } from '../../../shared/logger.js'
import type { OpenDatabase } from './database.js'
import type { LevelSnapshot } from './snapshot.js'
import { suspect } from './suspicion.js'
import type { Tally } from './tally.js'

/** One moment of a database: all of its records, and the tally that they must match. */
export interface Moment {
  readonly opened: OpenDatabase
  readonly snapshot: LevelSnapshot
  readonly tally: Tally
}

export interface BackgroundCheckParts {
  readonly directory: string
  readonly logger: Logger
  /** @throws OrthrusError `unavailable` if the database cannot be read now */
  readonly takeMoment: () => Promise<Moment>
  /** Called at once when something is wrong. Nothing is to be read or written any more. */
  readonly onDamage: (cause: OrthrusError) => void
}

/** When others have their turn. Neither rejects. */
export interface Turns {
  /** Between one page of records and the next. */
  page(): Promise<void>
  /** Before records are read again that could not be read, as where a process has no more files to open. */
  retry(): Promise<void>
}

/** How far it is. `unread` is a database that nobody has begun to read, or that has to be opened again first. */
export type CheckState = 'unread' | 'reading' | 'whole' | 'damaged'

/** Reads the records of a database that serves already, if they were not all read when it was opened. */
export class BackgroundCheck {
  readonly #parts: BackgroundCheckParts
  /** The one whose records were all read. */
  #whole: OpenDatabase | undefined
  #turns: Turns | undefined
  #running: Promise<void> | undefined
  #state: CheckState
  #isOver = false
  #end = (): void => {}
  readonly #ended = new Promise<void>(resolve => {
    this.#end = resolve
  })
  #tell = (_cause: OrthrusError): void => {}
  /** Resolves if something is found to be wrong, with what is wrong and what to do. It never rejects. */
  readonly damage = new Promise<OrthrusError>(resolve => {
    this.#tell = resolve
  })

  constructor(parts: BackgroundCheckParts, opened: OpenDatabase) {
    this.#parts = parts
    this.#whole = opened.isRead ? opened : undefined
    this.#state = opened.isRead ? 'whole' : 'unread'
  }

  get state(): CheckState {
    return this.#state
  }

  /** Whether every record was read, and is right. */
  isWhole(opened: OpenDatabase): boolean {
    return opened.isRead || opened === this.#whole
  }

  begin(turns: Turns): void {
    this.#turns = turns
    this.#start()
  }

  /** Called when the database was opened again. */
  reopened(): void {
    this.#start()
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#isOver = true
    this.#end()
    await this.#running
  }

  #start(): void {
    if (this.#turns === undefined || this.#isOver || this.#state === 'damaged') return
    this.#running ??= this.#run(this.#turns).finally(() => {
      this.#running = undefined
    })
  }

  /** Begins again from the start if the database is compacted, or opened again, meanwhile. Never rejects. */
  async #run(turns: Turns): Promise<void> {
    while (!this.#isOver && this.#state !== 'damaged') {
      const moment = await this.#parts.takeMoment().catch(() => undefined)
      if (moment === undefined) {
        this.#state = 'unread'
        return
      }
      const isWhole = this.isWhole(moment.opened)
      this.#state = isWhole ? 'whole' : 'reading'
      if (!isWhole) await this.#read(moment, turns)
      await moment.snapshot.close()
      if (isWhole) return
    }
  }

  async #read({ opened, snapshot, tally }: Moment, turns: Turns): Promise<void> {
    const { directory, logger } = this.#parts
    try {
      const damage = await snapshot.findDamage(tally, () => this.#pause(snapshot, turns.page()))
      if (damage !== undefined) return await this.#found(damage)
      this.#whole = opened
      logger.info({ directory }, 'every record of the database was read, and is as it was written')
    } catch (cause) {
      if (!snapshot.isOpen) return
      logger.warn(
        { directory, err: cause },
        'the records of the database cannot be read now: it is tried again',
      )
      await this.#pause(snapshot, turns.retry())
    }
  }

  /** Ends early, with the snapshot closed, when nothing more is to be read. */
  async #pause(snapshot: LevelSnapshot, turn: Promise<void>): Promise<void> {
    await Promise.race([turn, this.#ended])
    if (this.#isOver) await snapshot.close()
  }

  async #found(cause: OrthrusError): Promise<void> {
    this.#state = 'damaged'
    this.#parts.onDamage(cause)
    await suspect(this.#parts.directory)
    this.#tell(cause)
  }
}
