import type { AuditReading } from '../../client/channel/audit-reading.js'
import type { AuditFilter, Use } from '../../shared/administration/audit.js'
import type { AuditLine, AuditOutcome } from '../../shared/administration/audit-line.js'
import { DAY, HOUR, SECOND } from '../../shared/time.js'
import { slicesBack } from '../session/newest-first.js'
import type { Known } from './first-seen.js'

/** What the map reads of the log from before the page. */

type Reading = Pick<AuditReading, 'uses' | 'lines'>

export function usesSince(audit: Pick<AuditReading, 'uses'>, since: number | null): Promise<readonly Use[]> {
  const filter: AuditFilter = { client: null, service: null, outcome: null, since }
  return audit.uses(filter)
}

/** How far back the log is compared, one after the other; null for all that is kept. */
const REACHES = [DAY, 7 * DAY, 30 * DAY, null] as const
/** The KDC goes through its log for each of them, so no further one is asked for if the last one took longer. */
const ENOUGH = 3 * SECOND

export interface KnownOptions {
  readonly audit: () => Reading
  /** The KDC's time. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set. */
  readonly monotonic: () => number
  readonly isOver: () => boolean
}

/**
 * Which pairs the log knows, further and further back: all of a small log, at least a day of a large one.
 * @throws OrthrusError as `audit.uses` does
 */
export async function* readKnown({ audit, now, monotonic, isOver }: KnownOptions): AsyncGenerator<Known> {
  const begins = await beginningOf(audit(), now())
  for (const reach of REACHES) {
    const begin = monotonic()
    const since = reach === null ? null : now() - reach
    const uses = await usesSince(audit(), since)
    if (isOver()) return
    // Read last, so that it has all that the longer one has of its time.
    const recentSince = now() - HOUR
    const recent = { since: recentSince, uses: await usesSince(audit(), recentSince) }
    if (isOver()) return
    yield { since, uses, begins, recent }
    if (monotonic() - begin > ENOUGH) return
  }
}

/** When the kept log begins; now if it has no lines. */
async function beginningOf(audit: Pick<AuditReading, 'lines'>, now: number): Promise<number> {
  const all: AuditFilter = { client: null, service: null, outcome: null, since: null }
  for await (const { line } of audit.lines(all)) return Date.parse(line.at)
  return now
}

export interface LatestOptions {
  readonly outcome: AuditOutcome
  /** The time in which to look, milliseconds. */
  readonly since: number
  readonly until: number
  readonly most: number
}

/** The latest lines with an outcome, the newest first. @throws OrthrusError as `audit.lines` does */
export async function latest(
  audit: Pick<AuditReading, 'lines'>,
  { outcome, since, until, most }: LatestOptions,
): Promise<AuditLine[]> {
  const found: AuditLine[] = []
  const read = (from: number | null) => audit.lines({ client: null, service: null, outcome, since: from })
  for await (const { rows } of slicesBack({ read, since, until })) {
    found.push(...rows.map(({ line }) => line))
    if (found.length >= most) break
  }
  return found.slice(0, most)
}
