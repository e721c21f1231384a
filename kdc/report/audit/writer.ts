import type { AuditFields } from '../../../shared/administration/audit-line.js'
import { OrthrusError } from '../../../shared/errors.js'
import { type Clock, MINUTE, SECOND } from '../../../shared/time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../../shared/timers.js'
import type { KdcEvent } from '../events.js'
import { describeFailure } from '../failure.js'
import type { AuditKey } from './chain.js'
import { entryOf } from './entry-of.js'
import { type AuditEntry, AuditLog, LogChanged } from './log.js'
import { type AuditNote, DROPPED, noteEntry } from './notes.js'
import type { Retention } from './retention.js'

/** How long an exchange may wait for its batch, milliseconds. */
const BATCH_INTERVAL = SECOND

/** Lines that are made in one turn of the event loop: together they take about half a millisecond. */
const BATCH_LINES = 128

/** How often the mark is told to the log of the KDC while lines are written, milliseconds. */
const MARK_INTERVAL = 10 * MINUTE

export interface AuditWriterOptions {
  readonly directory: string
  readonly key: AuditKey
  readonly retention: Retention
  /** How many events may wait for the disk. Beyond, they are dropped and counted. */
  readonly backlogMax: number
  readonly clock: Clock
  readonly timers: Timers
  /** Tells the KDC's log what happens to the audit log. */
  readonly tell: (event: KdcEvent) => void
}

/** What waits to be written: an event, or what the log says of itself. */
interface Waiting {
  readonly at: number
  readonly event?: KdcEvent
  readonly fields?: AuditFields
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
 * Writes the audit log in batches: what is appended waits in memory for at most a second. Nobody waits for it, except
 * by `settled`.
 */
export class AuditWriter {
  readonly #options: AuditWriterOptions
  readonly #timers: Timers
  #log: AuditLog
  /** The first `#taken` of them are written. */
  #waiting: Waiting[] = []
  #taken = 0
  /** How many were ever appended, and how many of them are on stable storage. */
  #appended = 0
  #stored = 0
  /** Dropped since the last one that found room, and in all. */
  #lost: (AuditFields & { count: number }) | undefined
  #dropped = 0
  #failure: unknown
  #flushing: Promise<void> | undefined
  #cancel: Cancel | undefined
  #markedAt: number
  #isClosed = false
  readonly #readers = new Set<() => void>()

  private constructor(options: AuditWriterOptions, log: AuditLog) {
    this.#options = options
    this.#timers = inBackground(options.timers)
    this.#log = log
    this.#markedAt = options.clock.monotonic()
  }

  /** Opens the log, or begins one. What is wrong with its end is noted in it. @throws the system's error */
  static async open(options: AuditWriterOptions): Promise<AuditWriter> {
    const { log, notes } = await AuditLog.open(options.directory, options.key, options.retention)
    const writer = new AuditWriter(options, log)
    for (const note of notes) writer.#note(note)
    return writer
  }

  get state(): AuditState {
    return {
      backlog: this.#waiting.length - this.#taken,
      dropped: this.#dropped,
      isFailing: this.#failure !== undefined,
      lines: this.#log.n,
    }
  }

  /** Takes an event without any work: the caller is about to answer somebody. @returns whether there was room for it */
  append(event: KdcEvent): boolean {
    return this.#add({ at: this.#options.clock.now(), event })
  }

  /** The same for what the log says of itself. */
  appendFields(fields: AuditFields): boolean {
    return this.#add({ at: this.#options.clock.now(), fields })
  }

  /**
   * Resolves when everything appended so far is on stable storage.
   * @throws OrthrusError `unavailable` if it cannot be written
   */
  async settled(): Promise<void> {
    const goal = this.#appended
    await this.#flushing
    while (this.#stored < goal) {
      await this.#flush()
      if (this.#failure !== undefined) throw this.#refusal()
    }
  }

  /** Tries again if the last attempt failed. @throws OrthrusError `unavailable` */
  async requireWritable(): Promise<void> {
    if (this.#failure !== undefined) await this.#flush()
    if (this.#failure !== undefined) throw this.#refusal()
  }

  /** The error of an act that there is no room for. */
  async refused(): Promise<OrthrusError> {
    await this.#flush()
    return this.#refusal()
  }

  /** Resolves when another line was written, or after that time. */
  written(milliseconds: number): Promise<void> {
    if (this.#isClosed || milliseconds === 0) return Promise.resolve()
    return new Promise(resolve => {
      const done = (): void => {
        cancel()
        this.#readers.delete(done)
        resolve()
      }
      const cancel = runAfter(this.#timers, milliseconds, done)
      this.#readers.add(done)
    })
  }

  /** Ends every wait for another line. */
  endWaits(): void {
    this.#isClosed = true
    for (const done of [...this.#readers]) done()
  }

  /** Writes what waits, and tells the KDC's log a mark of it. */
  async mark(): Promise<void> {
    await this.#flush()
    this.#tellMark()
  }

  /** Writes what waits, and the last mark. What cannot be written is told to the KDC's log. */
  async close(): Promise<void> {
    this.endWaits()
    this.#cancel?.()
    await this.#flush()
    await this.#log.close().catch(() => {})
  }

  #add(waiting: Waiting): boolean {
    const { backlogMax } = this.#options
    if (this.#waiting.length - this.#taken >= backlogMax) return this.#drop(waiting.at)
    this.#lost = undefined
    this.#waiting.push(waiting)
    this.#appended += 1
    if (this.#flushing !== undefined) return true
    if (this.#waiting.length - this.#taken >= BATCH_LINES && this.#failure === undefined) void this.#flush()
    else this.#flushSoon()
    return true
  }

  /** The line that says how many were dropped stands where they would stand. */
  #drop(at: number): false {
    this.#dropped += 1
    if (this.#lost !== undefined) {
      this.#lost.count += 1
      return false
    }
    const lost: AuditFields & { count: number } = {
      kind: 'log',
      outcome: 'failed',
      reason: DROPPED,
      count: 1,
    }
    this.#lost = lost
    this.#waiting.push({ at, fields: lost })
    this.#appended += 1
    return false
  }

  #flushSoon(): void {
    if (this.#isClosed) return
    this.#cancel ??= runAfter(this.#timers, BATCH_INTERVAL, () => {
      this.#cancel = undefined
      void this.#flush()
    })
  }

  /** Never rejects: whether it failed is in `#failure`. One at a time. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined
      for (const done of [...this.#readers]) done()
      if (this.#stored < this.#appended) this.#flushSoon()
    })
    return this.#flushing
  }

  async #write(): Promise<void> {
    try {
      await this.#writeAll()
    } catch (cause) {
      if (!(cause instanceof LogChanged && (await this.#reopen(cause)))) return this.#failed(cause)
      await this.#writeAll().catch((again: unknown) => this.#failed(again))
    }
  }

  async #writeAll(): Promise<void> {
    let isNew = false
    while (this.#taken < this.#waiting.length) isNew = (await this.#storeBatch()) || isNew
    const reached = this.#appended
    await this.#log.sync()
    this.#stored = reached
    this.#succeeded()
    if (isNew) await this.#removeOutdated()
    if (this.#options.clock.monotonic() - this.#markedAt >= MARK_INTERVAL) this.#tellMark()
  }

  /** @returns whether another file was begun */
  async #storeBatch(): Promise<boolean> {
    const batch = this.#waiting.slice(this.#taken, this.#taken + BATCH_LINES)
    // What is dropped from now on is counted in another line.
    if (batch.some(({ fields }) => fields !== undefined && fields === this.#lost)) this.#lost = undefined
    const isNew = await this.#log.store(batch.map(entryOfWaiting))
    this.#taken += batch.length
    if (this.#taken === this.#waiting.length) {
      this.#waiting = []
      this.#taken = 0
    } else if (this.#taken > this.#options.backlogMax) {
      this.#waiting = this.#waiting.slice(this.#taken)
      this.#taken = 0
    }
    return isNew
  }

  #succeeded(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    const { directory, tell } = this.#options
    tell({ kind: 'audit_written', directory, dropped: this.#dropped })
  }

  #failed(cause: unknown): void {
    const { directory, tell } = this.#options
    if (this.#failure === undefined)
      tell({ kind: 'audit_failed', directory, failure: describeFailure(cause) })
    this.#failure = cause
  }

  /** Goes on behind what was stored, and notes what of it is missing now. @returns whether that is possible */
  async #reopen({ message }: LogChanged): Promise<boolean> {
    const { directory, key, retention } = this.#options
    const { last } = this.#log
    await this.#log.close().catch(() => {})
    const reopened = await AuditLog.open(directory, key, retention, last).catch(() => undefined)
    if (reopened === undefined) return false
    this.#log = reopened.log
    this.#note({ isFault: true, reason: message, details: {} })
    for (const note of reopened.notes) this.#note(note)
    return true
  }

  async #removeOutdated(): Promise<void> {
    const note = await this.#log.removeOutdated(this.#options.clock.now())
    if (note === undefined) return
    // What was removed has its line already.
    if (note.isFault) this.#note(note)
    else this.#tellNote(note)
  }

  #note(note: AuditNote): void {
    this.appendFields(noteEntry(note))
    this.#tellNote(note)
  }

  #tellNote(note: AuditNote): void {
    const { directory, tell } = this.#options
    tell({ kind: 'audit_noted', directory, ...note })
  }

  #tellMark(): void {
    const { clock } = this.#options
    this.#markedAt = clock.monotonic()
    const { n, mark } = this.#log
    if (n > 0) this.#tellNote({ isFault: false, reason: MARKED, details: { line: n, mark } })
  }

  #refusal(): OrthrusError {
    const { name, message, code } = describeFailure(this.#failure ?? new Error('its backlog is full'))
    const why = code ?? `${name}: ${message}`
    return new OrthrusError(
      'unavailable',
      `the audit log cannot be written (${why}), so nothing is administered`,
      {
        hint: FULL.has(why) ? 'the disk is full: free some space' : 'the log of the KDC says more',
        cause: this.#failure,
      },
    )
  }
}

/** What systems say when there is no room. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

const MARKED =
  'a mark, to be kept elsewhere: orthrus audit verify --mark TEXT finds whether lines up to it are missing'

function entryOfWaiting({ at, event, fields }: Waiting): AuditEntry {
  if (fields !== undefined) return { at, fields }
  if (event === undefined) throw new TypeError('nothing to write')
  return { at, fields: entryOf(event) }
}
