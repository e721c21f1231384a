import type { AuditFields } from '../../../shared/administration/audit-line.js'
import { type Clock, MINUTE } from '../../../shared/time.js'
import type { KdcEvent } from '../events.js'
import type { AuditEntry } from './line-text.js'
import { AuditLog, type AuditLogOptions, type LogChanged } from './log.js'
import { type AuditNote, noteEntry } from './notes.js'

/** How often the mark is told to the log of the KDC while lines are written, milliseconds. */
const MARK_INTERVAL = 10 * MINUTE

export interface KeptLogOptions extends AuditLogOptions {
  readonly clock: Clock
  /** Tells the KDC's log what happens to the audit log. */
  readonly tell: (event: KdcEvent) => void
  /** Appends what the log says of itself. */
  readonly append: (fields: AuditFields) => void
}

/** The files of an audit log over the time that a KDC runs, with what is told of them to its operator. */
export class KeptLog {
  readonly #options: KeptLogOptions
  #log: AuditLog
  #markedAt: number

  private constructor(options: KeptLogOptions, log: AuditLog) {
    this.#options = options
    this.#log = log
    this.#markedAt = options.clock.monotonic()
  }

  /** Opens the log, or begins one. What is wrong with its end is noted in it. @throws the system's error */
  static async open(options: KeptLogOptions): Promise<KeptLog> {
    const { log, notes } = await AuditLog.open(options)
    const kept = new KeptLog(options, log)
    for (const note of notes) kept.#note(note)
    return kept
  }

  /** The number of the last line. */
  get n(): number {
    return this.#log.n
  }

  /** As `AuditLog.store`. */
  store(entries: readonly AuditEntry[]): Promise<boolean> {
    return this.#log.store(entries)
  }

  /** As `AuditLog.sync`; tells a mark if it is time for one. */
  async sync(): Promise<void> {
    await this.#log.sync()
    if (this.#options.clock.monotonic() - this.#markedAt >= MARK_INTERVAL) this.tellMark()
  }

  /** Goes on behind what was stored, and notes what of it is missing now. @returns whether that is possible */
  async reopen({ message }: LogChanged): Promise<boolean> {
    const { last } = this.#log
    await this.close()
    const reopened = await AuditLog.open(this.#options, last).catch(() => undefined)
    if (reopened === undefined) return false
    this.#log = reopened.log
    this.#note({ isFault: true, reason: message, details: {} })
    for (const note of reopened.notes) this.#note(note)
    return true
  }

  async removeOutdated(): Promise<void> {
    const note = await this.#log.removeOutdated(this.#options.clock.now())
    if (note === undefined) return
    // What was removed has its line already.
    if (note.isFault) this.#note(note)
    else this.#tellNote(note)
  }

  tellMark(): void {
    this.#markedAt = this.#options.clock.monotonic()
    const { n, mark } = this.#log
    if (n > 0) this.#tellNote({ isFault: false, reason: MARKED, details: { line: n, mark } })
  }

  async close(): Promise<void> {
    await this.#log.close().catch(() => {})
  }

  #note(note: AuditNote): void {
    this.#options.append(noteEntry(note))
    this.#tellNote(note)
  }

  #tellNote(note: AuditNote): void {
    const { directory, tell } = this.#options
    tell({ kind: 'audit_noted', directory, ...note })
  }
}

const MARKED =
  'a mark, to be kept elsewhere: orthrus audit verify --mark TEXT finds whether lines up to it are missing'
