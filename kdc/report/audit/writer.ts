import type { AuditFields } from '../../../shared/administration/audit-line.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { SECOND } from '../../../shared/time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../../shared/timers.js'
import type { KdcEvent } from '../events.js'
import { describeFailure } from '../failure.js'
import { Backlog } from './backlog.js'
import { KeptLog, type KeptLogOptions } from './kept-log.js'
import { LineWaits } from './line-waits.js'
import { LogChanged } from './log.js'
import { auditRefusal } from './refusal.js'

/** How long a line may wait until it is on stable storage, milliseconds. */
const FLUSH_INTERVAL = SECOND

/** Lines that are made in one turn of the event loop: together they take about half a millisecond. */
const BATCH_LINES = 128

export interface AuditWriterOptions extends Omit<KeptLogOptions, 'append'> {
  /** How many events may wait for the disk. Beyond, they are dropped and counted. */
  readonly backlogMax: number
  readonly timers: Timers
}

/** What is known of an audit log while the KDC runs. */
export interface AuditState {
  /** Events that wait for the disk. */
  readonly backlog: number
  /** Events that there was no room for since the KDC started. */
  readonly dropped: number
  /** Whether the last attempt to write failed: then nothing is administered. */
  readonly isFailing: boolean
  /** The number of the last line that is written. */
  readonly lines: number
}

/**
 * Writes the audit log in batches, and never while somebody waits for an answer. A full batch is written in the next
 * turn of the event loop, so that a kill loses little. It is on stable storage within a second, or with the next act,
 * which waits for that by `settled`.
 */
export class AuditWriter {
  readonly #options: AuditWriterOptions
  readonly #timers: Timers
  readonly #backlog: Backlog
  readonly #waits: LineWaits
  readonly #log: KeptLog
  /** How many of those that were ever appended are on stable storage. */
  #stored = 0
  #failure: unknown
  #working: Promise<void> | undefined
  /** Whether what waits up to `#flushGoal` is to be brought to stable storage, and not full batches to the system. */
  #isFlushDue = false
  /** How many had been appended when that was asked for: what comes meanwhile must not put off the sync without end. */
  #flushGoal = 0
  #cancelFlush: Cancel | undefined
  #cancelBatch: Cancel | undefined
  #isClosed = false

  private constructor(options: AuditWriterOptions, log: KeptLog, backlog: Backlog) {
    this.#options = options
    this.#timers = inBackground(options.timers)
    this.#backlog = backlog
    this.#waits = new LineWaits(this.#timers)
    this.#log = log
    if (backlog.size > 0) this.#flushSoon()
  }

  /** Opens the log, or begins one. What is wrong with its end is noted in it. @throws the system's error */
  static async open(options: AuditWriterOptions): Promise<AuditWriter> {
    const { backlogMax, clock } = options
    const backlog = new Backlog(backlogMax)
    const append = (fields: AuditFields) => void backlog.add(clock.now(), undefined, fields)
    return new AuditWriter(options, await KeptLog.open({ ...options, append }), backlog)
  }

  get state(): AuditState {
    const { size, dropped } = this.#backlog
    return { backlog: size, dropped, isFailing: this.#failure !== undefined, lines: this.#log.n }
  }

  /** Takes an event without any work: the caller is about to answer somebody. @returns whether there was room for it */
  append(event: KdcEvent): boolean {
    return this.#add(event, undefined)
  }

  /** The same for what the log says of itself. */
  appendFields(fields: AuditFields): boolean {
    return this.#add(undefined, fields)
  }

  /**
   * Resolves when everything appended so far is on stable storage.
   * @throws OrthrusError `unavailable` if it cannot be written
   */
  async settled(): Promise<void> {
    const goal = this.#backlog.appended
    while (this.#stored < goal) {
      await this.#flush()
      if (this.#failure !== undefined) throw auditRefusal(this.#failure)
    }
  }

  /** Tries again if the last attempt failed. @throws OrthrusError `unavailable` */
  async requireWritable(): Promise<void> {
    if (this.#failure !== undefined) await this.#flush()
    if (this.#failure !== undefined) throw auditRefusal(this.#failure)
  }

  /** The error of an act that there is no room for. */
  async refused(): Promise<OrthrusError> {
    await this.#flush()
    return auditRefusal(this.#failure)
  }

  /** Resolves when a line after the one of that number was written, or after that time, milliseconds. */
  written(after: number, milliseconds: number): Promise<void> {
    return this.#waits.next(this.#log.n > after ? 0 : milliseconds)
  }

  /** Ends every wait for another line. */
  endWaits(): void {
    this.#isClosed = true
    this.#waits.end()
  }

  /** Writes what waits, and tells the KDC's log a mark of it. */
  async mark(): Promise<void> {
    await this.#working
    await this.#flush()
    this.#log.tellMark()
  }

  /** Writes what waits, and the last mark. What cannot be written is told to the KDC's log. */
  async close(): Promise<void> {
    this.endWaits()
    this.#cancelFlush?.()
    this.#cancelBatch?.()
    await this.#working
    await this.#flush()
    await this.#log.close()
  }

  #add(event: KdcEvent | undefined, fields: AuditFields | undefined): boolean {
    const hasRoom = this.#backlog.add(this.#options.clock.now(), event, fields)
    if (this.#cancelFlush === undefined) this.#flushSoon()
    if (this.#cancelBatch === undefined && this.#backlog.size >= BATCH_LINES) this.#writeSoon()
    return hasRoom
  }

  #flushSoon(): void {
    if (this.#isClosed) return
    this.#cancelFlush ??= runAfter(this.#timers, FLUSH_INTERVAL, () => {
      this.#cancelFlush = undefined
      void this.#flush()
    })
  }

  /** In the next turn of the event loop, when the answers of this one are on their way. */
  #writeSoon(): void {
    if (this.#isClosed || this.#working !== undefined || this.#failure !== undefined) return
    this.#cancelBatch ??= runAfter(this.#timers, 0, () => {
      this.#cancelBatch = undefined
      void this.#work()
    })
  }

  #flush(): Promise<void> {
    this.#isFlushDue = true
    this.#flushGoal = this.#backlog.appended
    return this.#work()
  }

  /** Never rejects: whether it failed is in `#failure`. One at a time. */
  #work(): Promise<void> {
    this.#working ??= this.#write().finally(() => {
      this.#working = undefined
      this.#waits.wake()
      if (this.#stored < this.#backlog.appended) this.#flushSoon()
    })
    return this.#working
  }

  async #write(): Promise<void> {
    try {
      await this.#writeAll()
    } catch (cause) {
      if (!(cause instanceof LogChanged && (await this.#log.reopen(cause)))) return this.#failed(cause)
      await this.#writeAll().catch((again: unknown) => this.#failed(again))
    }
  }

  async #writeAll(): Promise<void> {
    do {
      let isNew = false
      while (this.#isBatchDue()) isNew = (await this.#storeBatch()) || isNew
      if (this.#isFlushDue) await this.#sync()
      if (isNew) await this.#log.removeOutdated()
    } while (this.#isFlushDue)
  }

  #isBatchDue(): boolean {
    const { size, removed } = this.#backlog
    return this.#isFlushDue ? removed < this.#flushGoal : size >= BATCH_LINES
  }

  /** @returns whether another file was begun */
  async #storeBatch(): Promise<boolean> {
    const batch = this.#backlog.next(BATCH_LINES)
    const isNew = await this.#log.store(batch)
    this.#backlog.remove(batch.length)
    return isNew
  }

  async #sync(): Promise<void> {
    this.#isFlushDue = false
    const reached = this.#backlog.removed
    await this.#log.sync()
    this.#stored = reached
    this.#succeeded()
  }

  #succeeded(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    const { directory, tell } = this.#options
    tell({ kind: 'audit_written', directory, dropped: this.#backlog.dropped })
  }

  #failed(cause: unknown): void {
    const { directory, tell } = this.#options
    if (this.#failure === undefined)
      tell({ kind: 'audit_failed', directory, failure: describeFailure(cause) })
    this.#failure = cause
  }
}
