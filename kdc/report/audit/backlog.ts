import type { AuditFields } from '../../../shared/administration/audit-line.js'
import type { KdcEvent } from '../events.js'
import { entryOf } from './entry-of.js'
import type { AuditEntry } from './line-text.js'
import { DROPPED } from './notes.js'

/** What waits to be written: an event, or what the log says of itself. */
interface Waiting {
  readonly at: number
  readonly event: KdcEvent | undefined
  readonly fields: AuditFields | undefined
}

type Lost = AuditFields & { count: number }

/**
 * What waits for the disk, in its order and within a bound. An event is kept as it came: its line is made when it is
 * written, because whoever reports it is about to answer somebody.
 */
export class Backlog {
  readonly #most: number
  /** The first `#written` of them are written. */
  #waiting: Waiting[] = []
  #written = 0
  #appended = 0
  /** What was dropped since the last one that found room, and how many were in all. */
  #lost: Lost | undefined
  #dropped = 0

  /** @param most events. Beyond, they are dropped and counted. */
  constructor(most: number) {
    this.#most = most
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.length - this.#written
  }

  /** How many were ever put into it, the lines about dropped ones included. */
  get appended(): number {
    return this.#appended
  }

  get dropped(): number {
    return this.#dropped
  }

  /** How many were ever taken out of it as written. */
  get removed(): number {
    return this.#appended - this.size
  }

  /** @param at milliseconds. @returns whether there was room for it */
  add(at: number, event: KdcEvent | undefined, fields: AuditFields | undefined): boolean {
    if (this.size >= this.#most) {
      this.#drop(at)
      return false
    }
    this.#lost = undefined
    this.#push({ at, event, fields })
    return true
  }

  /** The next ones to write, as many as there are up to a number. They stay until `remove`. */
  next(count: number): AuditEntry[] {
    const batch = this.#waiting.slice(this.#written, this.#written + count)
    // What is dropped from now on is counted in another line.
    if (this.#lost !== undefined && batch.some(({ fields }) => fields === this.#lost)) this.#lost = undefined
    return batch.map(entryOfWaiting)
  }

  /** They are written. @param count of those that came first */
  remove(count: number): void {
    this.#written += count
    // What is written must not stay in memory for long; nor is each batch worth a copy of all that waits.
    if (this.#written < this.size) return
    this.#waiting = this.#waiting.slice(this.#written)
    this.#written = 0
  }

  /** The line that says how many were dropped stands where they would stand. */
  #drop(at: number): void {
    this.#dropped += 1
    if (this.#lost !== undefined) {
      this.#lost.count += 1
      return
    }
    this.#lost = { kind: 'log', outcome: 'failed', reason: DROPPED, count: 1 }
    this.#push({ at, event: undefined, fields: this.#lost })
  }

  #push(waiting: Waiting): void {
    this.#waiting.push(waiting)
    this.#appended += 1
  }
}

function entryOfWaiting({ at, event, fields }: Waiting): AuditEntry {
  if (fields !== undefined) return { at, fields }
  if (event === undefined) throw new TypeError('nothing to write')
  return { at, fields: entryOf(event) }
}
