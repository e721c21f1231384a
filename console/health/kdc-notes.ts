import type { AuditReading } from '../../client/channel/audit-reading.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import { DAY, HOUR, MINUTE } from '../../shared/time.js'
import { slicesBack } from '../session/newest-first.js'
import type { Finding } from './findings.js'

/** What a KDC wrote into its log about itself: starts and ends, leaps of its clock, its place among several. */

/** How far back is looked, and for how many lines. */
export const NOTES_SINCE = 7 * DAY
const MOST = 50

/** The latest lines of the KDC about itself and its log, the newest first. @param now KDC time, milliseconds */
export async function readNotes(audit: Pick<AuditReading, 'lines'>, now: number): Promise<AuditLine[]> {
  const found: AuditLine[] = []
  for (const outcome of ['noted', 'failed'] as const) {
    const read = (since: number | null) => audit.lines({ client: null, service: null, outcome, since })
    let count = 0
    for await (const { rows } of slicesBack({ read, since: now - NOTES_SINCE, until: now + MINUTE })) {
      const own = rows.map(({ line }) => line).filter(({ kind }) => kind === 'kdc' || kind === 'log')
      found.push(...own)
      count += own.length
      if (count >= MOST) break
    }
  }
  return found.sort((a, b) => b.n - a.n).slice(0, MOST)
}

/** How long a fault of the KDC, or a leap of its clock, is among what is wrong. */
const FRESH = HOUR

/** What of it somebody should look at. */
export function noteFindings(notes: readonly AuditLine[], now: number): Finding[] {
  const faults = notes.filter(({ outcome, at }) => outcome === 'failed' && now - Date.parse(at) < DAY)
  const leaps = notes.filter(({ reason, at }) => reason === 'the clock leapt' && now - Date.parse(at) < FRESH)
  const omitted = notes.filter(({ count }) => count !== undefined)
  const findings: Finding[] = []
  const [fault] = faults
  if (fault !== undefined)
    findings.push({
      name: 'KDC',
      state: 'wrong',
      text: `it noted ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} in the last day, the last one: ${fault.reason ?? fault.code ?? ''}`,
      next: 'look at the log of the KDC',
    })
  if (leaps.length > 0)
    findings.push({
      name: 'KDC',
      state: 'wrong',
      text: 'its clock leapt within the last hour',
      next: 'timedatectl on its machine, and its log, which says by how much',
    })
  if (omitted.length > 0)
    findings.push({
      name: 'audit log',
      state: 'note',
      text: `lines of ${omitted.length} requesters were left out in the last week, as they filled their share of it`,
      next: 'the notes below say whose',
    })
  return findings
}

/** Names of KDCs that wrote the lines, where several share the realm. */
export function replicasIn(notes: readonly Pick<AuditLine, 'replica'>[]): string[] {
  return [...new Set(notes.flatMap(({ replica }) => replica ?? []))].sort()
}

/** What else a line says, as `host 127.0.0.1, port 8750`. @param realm which the page names anyway */
export function detailWords(details: unknown, realm: string): string {
  if (typeof details !== 'object' || details === null) return JSON.stringify(details)
  return Object.entries(details)
    .filter(([name, value]) => name !== 'realm' || value !== realm)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}
