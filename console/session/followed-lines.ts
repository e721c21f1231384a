import { type Signal, signal } from '@preact/signals'
import type { AuditReading } from '../../client/channel/audit-reading.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import { type Hole, type Numbered, stepBetween } from './sequence.js'
import type { Session } from './session.js'

/** A time in which nothing was seen as it was written, and what came of reading it later. */
export interface Unseen {
  /** ISO 8601: the last line before, and the first one behind. */
  readonly from: string
  readonly to: string
  /** `missing`: how many lines are not in the log any more. */
  readonly read: /** The connection was lost, and whoever follows goes on behind the last line. */
    | { readonly kind: 'resumed' }
    | { readonly kind: 'reading' }
    | { readonly kind: 'read'; readonly missing: number }
    | { readonly kind: 'failed' }
    | { readonly kind: 'other log' }
}

/**
 * The lines of the log as they are written, in order but for those of a hole: they are read from the log, and come
 * later. That something was not seen is told.
 */
export class FollowedLines {
  /** The last time in which nothing was seen, or undefined. */
  readonly unseen: Signal<Unseen | undefined> = signal(undefined)
  /** The last line that was seen. */
  #last: AuditLine | undefined
  readonly #session: Session
  readonly #hear: (line: AuditLine) => void
  readonly #ends: readonly (() => void)[]
  #lostFrom: string | undefined
  #isOver = false

  constructor(session: Session, hear: (line: AuditLine) => void) {
    this.#session = session
    this.#hear = hear
    this.#ends = [
      session.live.subscribe(line => this.#take(line)),
      session.live.state.subscribe(state => this.#turn(state)),
    ]
  }

  get last(): Numbered | undefined {
    return this.#last
  }

  end(): void {
    this.#isOver = true
    for (const end of this.#ends) end()
  }

  #turn(state: 'following' | 'lost' | 'none'): void {
    const now = new Date(this.#session.now()).toISOString()
    if (state === 'lost') this.#lostFrom ??= this.#last?.at ?? now
    if (state !== 'following' || this.#lostFrom === undefined) return
    this.unseen.value = { from: this.#lostFrom, to: now, read: { kind: 'resumed' } }
    this.#lostFrom = undefined
  }

  #take(line: AuditLine): void {
    const step = stepBetween(this.#last, line)
    if (step.kind === 'repeated') return
    this.#last = line
    if (step.kind === 'hole') void this.#fill(step.hole)
    else if (step.kind === 'other log')
      this.unseen.value = { from: step.after.at, to: line.at, read: { kind: 'other log' } }
    this.#hear(line)
  }

  async #fill(hole: Hole): Promise<void> {
    const time = { from: hole.after.at, to: hole.before.at }
    this.unseen.value = { ...time, read: { kind: 'reading' } }
    try {
      const found = await readHole(this.#session.administration.audit, hole, line => {
        if (!this.#isOver) this.#hear(line)
      })
      this.unseen.value = { ...time, read: { kind: 'read', missing: hole.count - found } }
    } catch {
      this.unseen.value = { ...time, read: { kind: 'failed' } }
    }
  }
}

/** Reads the lines of a hole. @returns how many there were */
export async function readHole(
  audit: Pick<AuditReading, 'lines'>,
  { after, before }: Hole,
  hear: (line: AuditLine) => void,
): Promise<number> {
  let found = 0
  const filter = { client: null, service: null, outcome: null, since: Date.parse(after.at) }
  for await (const { line } of audit.lines(filter)) {
    if (line.n >= before.n) break
    if (line.n <= after.n) continue
    found++
    hear(line)
  }
  return found
}

/** The same for people. */
export function unseenWords({ from, to, read }: Unseen): string {
  const time = `From ${clockOf(from)} to ${clockOf(to)}`
  switch (read.kind) {
    case 'resumed':
      return `${time} the connection was lost, and nothing was seen as it was written: that time is read from the log.`
    case 'reading':
      return `${time} nothing was seen; it is being read from the log.`
    case 'read':
      return read.missing === 0
        ? `${time} nothing was seen; it was read from the log since.`
        : `${time} nothing was seen, and ${read.missing} lines of that time are not in the log any more.`
    case 'failed':
      return `${time} nothing was seen, and it could not be read from the log. Search that time in the audit log.`
    case 'other log':
      return `Behind ${clockOf(to)} it is another log than before: lines of the time from ${clockOf(from)} may be missing.`
  }
}

/** `10:02:03` of an ISO time. */
function clockOf(at: string): string {
  return at.slice(11, 19)
}
