import type { AuditRow } from '../../client/channel/audit-reading.js'
import { DAY, MINUTE, SECOND } from '../../shared/time.js'

/** The KDC reads its log forwards only. The newest lines come first if it is read slice by slice, each further back. */

/** The lines from a time on, milliseconds, the oldest first; null for all that are kept. */
export type ReadFrom = (since: number | null) => AsyncIterable<AuditRow>

export interface SlicesOptions {
  readonly read: ReadFrom
  /** Not before this time; null for all that is kept. */
  readonly since: number | null
  /** Before this time. */
  readonly until: number
  /** Asked between lines: reading ends there once it says so. */
  readonly isOver?: () => boolean
}

/** A part of the log that was read. */
export interface Slice {
  /** The newest first. */
  readonly rows: readonly AuditRow[]
  /** From when on the log has been read by now; null for all that is kept. */
  readonly since: number | null
}

/** The length of the first slice. */
const FIRST = MINUTE
const LEAST = SECOND
/** Longer than logs are kept by default: the next slice is all that is left. */
const ALL = 90 * DAY
/** More than this in one slice is too much at once: it is read again, in shorter ones. */
export const SLICE_ROWS = 5_000

/** Where the log is read next, from the newest slice to the oldest. Slices grow where there is little in them. */
export async function* slicesBack({ read, since, until, isOver }: SlicesOptions): AsyncGenerator<Slice> {
  let end = until
  let length = FIRST
  let lowest = Number.POSITIVE_INFINITY
  for (;;) {
    const from = beginningOf(end, length, since)
    const rows = await readSlice(read, { from, end, lowest, isOver })
    if (rows === 'over') return
    if (rows === 'too many') {
      length = Math.max(LEAST, (end - (from ?? end - length)) / 8)
      continue
    }
    lowest = rows[0]?.line.n ?? lowest
    yield { rows: rows.toReversed(), since: from }
    if (from === since || from === null) return
    end = from
    if (rows.length < SLICE_ROWS / 10) length *= 4
    else if (rows.length > SLICE_ROWS / 2) length = Math.max(LEAST, length / 2)
  }
}

function beginningOf(end: number, length: number, since: number | null): number | null {
  if (since === null) return length > ALL ? null : Math.max(0, end - length)
  return Math.max(since, end - length)
}

interface SliceToRead {
  readonly from: number | null
  readonly end: number
  /** The number of the oldest line that was read before: it and all behind it are known. */
  readonly lowest: number
  readonly isOver: (() => boolean) | undefined
}

async function readSlice(
  read: ReadFrom,
  { from, end, lowest, isOver }: SliceToRead,
): Promise<AuditRow[] | 'too many' | 'over'> {
  const rows: AuditRow[] = []
  const isShort = from !== null && end - from <= LEAST
  for await (const row of read(from)) {
    if (isOver?.() === true) return 'over'
    if (row.line.n >= lowest || Date.parse(row.line.at) >= end) break
    rows.push(row)
    // Of the shortest slice everything is taken: there is no smaller one.
    if (rows.length > SLICE_ROWS && !isShort) return 'too many'
  }
  return isOver?.() === true ? 'over' : rows
}
