import { type Signal, signal } from '@preact/signals'
import type { AuditRow } from '../../client/channel/audit-reading.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import { isRefusalId } from '../../shared/encoding/refusal-id.js'
import { MINUTE } from '../../shared/time.js'
import { type Failure, failureOf } from '../parts/act.js'
import { FollowedLines } from '../session/followed-lines.js'
import { slicesBack } from '../session/newest-first.js'
import type { Session } from '../session/session.js'
import { fits, fitsRest, type Search } from './search.js'

export type Order = 'newest' | 'oldest'

/** How far a search has come. */
export type Progress =
  | { readonly kind: 'reading' }
  /** There may be more: `more()` reads on. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'done' }
  /** No more lines are held than this; a narrower search finds the others. */
  | { readonly kind: 'full' }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** How many lines are looked for before the reader is asked whether to go on. */
const ENOUGH = 300
/** The most lines that are held. */
export const ROWS_MAX = 20_000
/** The most new lines that wait to be shown: the older ones of them are read again if they are wanted. */
const FRESH_MAX = 5_000

/** What was found in the audit log, and what comes meanwhile. */
export class AuditModel {
  readonly rows: Signal<readonly AuditRow[]> = signal([])
  readonly progress: Signal<Progress> = signal({ kind: 'done' })
  /** From when on the log was read, milliseconds; null for all that is kept, undefined for nothing yet. */
  readonly since: Signal<number | null | undefined> = signal(undefined)
  /** How many new lines fit and wait to be shown. */
  readonly fresh: Signal<number> = signal(0)
  /** Whether new lines are shown at once. */
  readonly isFollowing: Signal<boolean> = signal(false)
  readonly lines: FollowedLines
  readonly #session: Session
  #search: Search | undefined
  #order: Order = 'newest'
  #reading: AsyncIterator<Found> | undefined
  #waiting: AuditRow[] = []
  #newest = 0

  constructor(session: Session) {
    this.#session = session
    this.lines = new FollowedLines(session, line => this.#hear(line))
  }

  /** Begins a search; an earlier one is given up. */
  async start(search: Search, order: Order): Promise<void> {
    void this.#reading?.return?.()
    this.rows.value = []
    this.since.value = undefined
    this.#waiting = []
    this.fresh.value = 0
    this.#newest = 0
    this.#order = order
    this.#search = search
    this.progress.value = { kind: 'reading' }
    const reading = this.#find(search)
    this.#reading = reading
    await this.#advance(reading)
  }

  /** Reads on where the search paused. */
  async more(): Promise<void> {
    if (this.#reading !== undefined && this.progress.value.kind === 'paused')
      await this.#advance(this.#reading)
  }

  /** Shows the lines that wait. Call it once for each frame of the page while it is following. */
  takeFresh(): void {
    if (this.#waiting.length === 0) return
    const fresh = this.#waiting
    this.#waiting = []
    this.fresh.value = 0
    this.#show(this.#order === 'newest' ? fresh.toReversed() : fresh, this.#order === 'newest')
  }

  end(): void {
    void this.#reading?.return?.()
    this.#reading = undefined
    this.lines.end()
  }

  async #advance(reading: AsyncIterator<Found>): Promise<void> {
    this.progress.value = { kind: 'reading' }
    try {
      for (let found = 0; found < ENOUGH; ) {
        const next = await reading.next()
        // Another search was begun, or the view is left.
        if (reading !== this.#reading) return
        if (next.done === true) {
          this.progress.value = { kind: 'done' }
          return
        }
        found += next.value.rows.length
        this.since.value = next.value.since
        if (!this.#show(next.value.rows, false)) {
          this.progress.value = { kind: 'full' }
          return
        }
      }
      this.progress.value = { kind: 'paused' }
    } catch (cause) {
      if (reading === this.#reading) this.progress.value = { kind: 'failed', failure: failureOf(cause) }
    }
  }

  /** @returns whether there was room for all */
  #show(rows: readonly AuditRow[], isBefore: boolean): boolean {
    const shown = this.rows.value
    const all = isBefore ? [...rows, ...shown] : [...shown, ...rows]
    this.rows.value = all.length <= ROWS_MAX ? all : all.slice(0, ROWS_MAX)
    for (const { line } of rows) this.#newest = Math.max(this.#newest, line.n)
    return all.length <= ROWS_MAX
  }

  async *#find(search: Search): AsyncGenerator<Found> {
    const { rest } = search
    const { since, until } = await this.#timeOf(search)
    const filter = { ...search.filter, since }
    const read = (from: number | null) => this.#session.administration.audit.lines({ ...filter, since: from })
    const isFitting = ({ line }: AuditRow): boolean => fitsRest(rest, line)
    if (this.#order === 'newest') {
      for await (const slice of slicesBack({ read, since, until }))
        yield { rows: slice.rows.filter(isFitting), since: slice.since }
      return
    }
    let rows: AuditRow[] = []
    for await (const row of read(since)) {
      if (Date.parse(row.line.at) >= until) break
      if (isFitting(row)) rows.push(row)
      if (rows.length < BATCH) continue
      yield { rows, since }
      rows = []
    }
    yield { rows, since }
  }

  /** The time in which to look. What refused a request is found by its id, without going through the whole log. */
  async #timeOf({ filter, until, rest }: Search): Promise<{ since: number | null; until: number }> {
    const end = until ?? this.#session.now() + MINUTE
    if (rest.id === null || !isRefusalId(rest.id)) return { since: filter.since, until: end }
    const { refusals } = await this.#session.administration.refusals(rest.id)
    if (refusals.length === 0) return { since: filter.since, until: end }
    const times = refusals.map(({ at }) => at)
    return { since: Math.max(0, Math.min(...times) - MINUTE), until: Math.max(...times) + MINUTE }
  }

  #hear(line: AuditLine): void {
    const search = this.#search
    // The KDC reads its log while it writes it, so a search may have found the line already.
    if (search === undefined || search.until !== null || line.n <= this.#newest || !fits(search, line)) return
    // A search that goes forwards, and has not come to the end, finds it by itself.
    if (this.#order === 'oldest' && this.progress.value.kind !== 'done') return
    this.#waiting.push({ line, text: JSON.stringify(line) })
    if (this.#waiting.length > FRESH_MAX) this.#waiting.shift()
    this.fresh.value = this.#waiting.length
  }
}

const BATCH = 100

interface Found {
  readonly rows: readonly AuditRow[]
  readonly since: number | null
}
