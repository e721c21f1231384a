import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ALL_REFUSALS_LOGGED, REFUSALS_LOGGED, TICKETS_AUDITED } from '../../../../kdc/limits/defaults.js'
import { type Audit, openAudit } from '../../../../kdc/report/audit/audit.js'
import { AuditKey } from '../../../../kdc/report/audit/chain.js'
import { type Verification, verifyAudit } from '../../../../kdc/report/audit/verify.js'
import type { KdcEvent } from '../../../../kdc/report/events.js'
import { createReport, type Report } from '../../../../kdc/report/report.js'
import { type AuditLine, decodeAuditLine } from '../../../../shared/administration/audit-line.js'
import { DAY } from '../../../../shared/time.js'
import { TestClock } from '../../../support/clock.js'
import { local } from '../../../support/realm.js'

/** An audit log in a folder of its own, which tests write, stop, damage and read. */

export const KEY = new Uint8Array(32).fill(7)

export interface AuditScene {
  readonly directory: string
  readonly clock: TestClock
  /** What the KDC's log was told. */
  readonly told: KdcEvent[]
  /** Begins to write, as a KDC that starts does. The one before must be closed, or count as killed. */
  open(options?: Partial<Opening>): Promise<OpenAudit>
  names(): Promise<string[]>
  text(name: string): Promise<string>
  /** All lines, of all files. */
  lines(): Promise<AuditLine[]>
  verify(...marks: string[]): Promise<Verification>
}

export interface Opening {
  readonly maxAge: number
  readonly maxBytes: number
  readonly fileBytes: number
  readonly backlogMax: number
  readonly tickets: number
}

export interface OpenAudit {
  readonly audit: Audit
  readonly report: Report
}

export async function auditScene(): Promise<AuditScene> {
  const directory = await mkdtemp(join(tmpdir(), 'orthrus-audit-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const clock = new TestClock()
  const told: KdcEvent[] = []
  const names = async () => (await readdir(directory)).filter(name => name.endsWith('.jsonl')).sort()
  const text = (name: string) => readFile(join(directory, name), 'utf8')
  return {
    directory,
    clock,
    told,
    names,
    text,
    open: async (options = {}) => {
      const { maxAge = 90 * DAY, maxBytes = 2 ** 30, fileBytes = 2 ** 20, backlogMax = 1_000 } = options
      const tickets = { ...TICKETS_AUDITED, points: options.tickets ?? 100_000 }
      const audit = await openAudit({
        directory,
        key: new AuditKey(KEY.slice()),
        retention: { maxAge, maxBytes, fileBytes },
        shares: { refusals: REFUSALS_LOGGED, allRefusals: ALL_REFUSALS_LOGGED, tickets },
        backlogMax,
        clock,
        timers: clock,
        tell: event => void told.push(event),
      })
      return { audit, report: createReport([audit.listener]) }
    },
    lines: async () => {
      const lines: AuditLine[] = []
      for (const name of await names()) {
        const whole = (await text(name)).split('\n').filter(line => line.endsWith('}'))
        lines.push(...whole.map(decodeAuditLine))
      }
      return lines
    },
    verify: (...marks) => verifyAudit(directory, new AuditKey(KEY.slice()), marks),
  }
}

export function granted(id: number, client = 'web'): KdcEvent {
  const ticketId = new Uint8Array(16).fill(id)
  const origin = { exchange: 'TGS', address: '192.0.2.1', tgt: new Uint8Array(16).fill(9) } as const
  const rule = { client: `${client}@demo.example`, service: 'orders@demo.example', effect: 'allow' } as never
  return {
    kind: 'ticket_granted',
    origin,
    client: local(client),
    service: local('orders'),
    rule,
    ticketId,
    endTime: 1,
  }
}

export function changed(name: string): KdcEvent {
  const by = [local('admin')]
  return {
    kind: 'record_changed',
    by,
    address: '192.0.2.9',
    change: { method: 'disable', principal: local(name) },
  }
}
