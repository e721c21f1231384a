import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StartOrder } from '../exchanges/kdc-process.js'
import type { LoadFigures } from '../exchanges/load-process.js'
import type { StartedKdc } from '../exchanges/realm.js'
import { type Column, type Group, makeGroup, type RowHead, type Sample } from '../figures.js'
import { warmUp } from '../measure.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'

/** What the audit log, metrics and groups in policy cost a ticket: the same KDC with and without each of them. */

const FIRST = 256
const IN_FLIGHT = 32
/** The audit log has a bounded number of lines of each client a minute. */
const CLIENTS = { NORMAL: 512, QUICK: 8 } as const
const EXCHANGE = { exchange: 'TGS', services: 1, connections: 1 } as const

const COLUMNS: readonly Column[] = [
  { key: 'cpu', title: 'CPU of the KDC, µs each', better: 'less' },
  { key: 'rate', title: 'requests a second', better: 'more' },
  { key: 'p50', title: 'p50, ms', better: 'less' },
  { key: 'p99', title: 'p99, ms', better: 'less' },
]

const HEAD = {
  id: 'kdc-options',
  title: 'The KDC: audit log, metrics and groups',
  note:
    `TGS with one service, ${IN_FLIGHT} in flight over one connection on which ${CLIENTS.NORMAL} clients take turns. ` +
    'Each row is another KDC, its store in memory and its limits of rate raised; their rounds take turns. CPU is counted ' +
    'until every line of the audit log is on the disk. Where groups decide, client and service are in one each, and the ' +
    'rule names both.',
  columns: COLUMNS,
  main: 'cpu',
}

const PLAIN = 'kdc.plain'

const ROWS: readonly (RowHead & { readonly options: Pick<StartOrder, 'metrics' | 'groups'> })[] = [
  { id: PLAIN, name: 'without any of them', options: {} },
  { id: 'kdc.audit', name: 'with the audit log', beside: PLAIN, options: {} },
  { id: 'kdc.metrics', name: 'with metrics', beside: PLAIN, options: { metrics: true } },
  { id: 'kdc.groups', name: 'with a rule of groups', beside: PLAIN, options: { groups: true } },
]

interface Measured {
  readonly head: RowHead
  readonly kdc: Child
  readonly load: Child
  count: number
  readonly samples: Sample[]
}

export async function measureKdcOptions(settings: Settings): Promise<Group> {
  const directory = mkdtempSync(join(tmpdir(), 'orthrus-bench-audit-'))
  const modules = ROWS.flatMap(() => ['./exchanges/kdc-process.js', './exchanges/load-process.js'])
  try {
    return await withChildren(modules, async (...processes) => {
      const rows: Measured[] = []
      for (const [i, { options, ...head }] of ROWS.entries()) {
        const [kdc, load] = processes.slice(2 * i, 2 * i + 2) as [Child, Child]
        await begin(kdc, load, head.id === 'kdc.audit' ? { audit: directory } : options, settings)
        rows.push({ head, kdc, load, count: 0, samples: [] })
      }
      for (const row of rows) row.count = await warmUp(count => measureRound(row, count), FIRST, settings)
      for (let round = 0; round < settings.rounds; round++)
        for (const row of rows) row.samples.push(await measureRound(row, row.count))
      return makeGroup(HEAD, rows)
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function begin(
  kdc: Child,
  load: Child,
  options: Partial<StartOrder>,
  { quick }: Settings,
): Promise<void> {
  const clients = quick ? CLIENTS.QUICK : CLIENTS.NORMAL
  const started = await kdc.ask<StartedKdc>('start', { clients, services: 1, ...options })
  await load.ask('connect', { ...started, connections: 1, clients })
  await load.ask('prepare', { ...EXCHANGE, count: 1 })
  if ((await load.ask<number>('probe')) !== 1) throw new Error('the KDC gave no ticket')
}

async function measureRound({ head, kdc, load }: Measured, count: number): Promise<Sample> {
  await load.ask('prepare', { ...EXCHANGE, count })
  const lines = await kdc.ask<number>('audited')
  const before = await kdc.cpu()
  const { elapsed, p50, p99 } = await load.ask<LoadFigures>('run', { inFlight: IN_FLIGHT })
  const written = (await kdc.ask<number>('audited')) - lines
  const used = (await kdc.cpu()) - before
  // A log that leaves tickets out costs less.
  if (written < (head.id === 'kdc.audit' ? count : 0)) throw new Error('a ticket is not in the audit log')
  return { cpu: used / count, rate: (count / elapsed) * 1000, p50, p99 }
}
