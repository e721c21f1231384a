import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoreOrder } from '../exchanges/kdc-store.js'
import type { LoadFigures } from '../exchanges/load-process.js'
import type { Exchange } from '../exchanges/questions.js'
import type { StartedKdc } from '../exchanges/realm.js'
import { type Column, type Group, makeGroup, type RowHead, type Sample } from '../figures.js'
import { warmUp } from '../measure.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import { startEtcd } from './etcd.js'

/** What it costs a ticket that the realm is on etcd, in place of the KDC's own disk. */

const FIRST = 256
const IN_FLIGHT = 32

const COLUMNS: readonly Column[] = [
  { key: 'cpu', title: 'CPU of the KDC, µs each', better: 'less' },
  { key: 'rate', title: 'requests a second', better: 'more' },
  { key: 'p50', title: 'p50, ms', better: 'less' },
  { key: 'p99', title: 'p99, ms', better: 'less' },
]

const HEAD = {
  id: 'stores',
  title: 'The KDC: its realm in LevelDB, or on etcd',
  note:
    `${IN_FLIGHT} in flight over one connection, of one client. Each store has a KDC of its own, with its limits of rate ` +
    'raised; their rounds take turns. What is asked about is in memory in both. The KDC on etcd confirms itself four ' +
    'times a second meanwhile, at one member on the same machine.',
  columns: COLUMNS,
  main: 'cpu',
}

interface Plan extends Exchange {
  readonly head: RowHead
  readonly on: 'level' | 'etcd'
}

const EXCHANGES = [
  { exchange: 'AS', services: 0, name: 'AS, TGT only' },
  { exchange: 'TGS', services: 1, name: 'TGS, 1 service' },
] as const

const PLANS: readonly Plan[] = EXCHANGES.flatMap(({ name, ...exchange }) => {
  const id = exchange.exchange.toLowerCase()
  return [
    { ...exchange, on: 'level', head: { id: `level.${id}`, name: `${name}; LevelDB` } },
    { ...exchange, on: 'etcd', head: { id: `etcd.${id}`, name: `${name}; etcd`, beside: `level.${id}` } },
  ] as const
})

const PROCESSES = ['./exchanges/kdc-process.js', './exchanges/load-process.js']

interface Side {
  readonly kdc: Child
  readonly load: Child
}

export async function measureStores(settings: Settings): Promise<Group> {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-level-'))
  const etcd = await startEtcd()
  try {
    return await withChildren([...PROCESSES, ...PROCESSES], async (...processes) => {
      const sides = {
        level: await begin(processes.slice(0, 2), { level: join(folder, 'db') }),
        etcd: await begin(processes.slice(2), { etcd: etcd.url }),
      }
      const rows: { plan: Plan; head: RowHead; count: number; samples: Sample[] }[] = []
      for (const plan of PLANS) {
        const count = await warmUp(count => measureRound(sides[plan.on], plan, count), FIRST, settings)
        rows.push({ plan, head: plan.head, count, samples: [] })
      }
      for (let round = 0; round < settings.rounds; round++)
        for (const { plan, count, samples } of rows)
          samples.push(await measureRound(sides[plan.on], plan, count))
      return makeGroup(HEAD, rows)
    })
  } finally {
    await etcd.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function begin(processes: readonly Child[], store: StoreOrder): Promise<Side> {
  const [kdc, load] = processes as [Child, Child]
  const started = await kdc.ask<StartedKdc>('start', { clients: 1, services: 1, store })
  await load.ask('connect', { ...started, connections: 1 })
  await load.ask('prepare', { exchange: 'TGS', services: 1, count: 1, connections: 1 })
  if ((await load.ask<number>('probe')) !== 1) throw new Error('the KDC gave no ticket')
  return { kdc, load }
}

async function measureRound({ kdc, load }: Side, plan: Plan, count: number): Promise<Sample> {
  const { exchange, services } = plan
  await load.ask('prepare', { exchange, services, count, connections: 1 })
  const before = await kdc.cpu()
  const { elapsed, p50, p99 } = await load.ask<LoadFigures>('run', { inFlight: IN_FLIGHT })
  const used = (await kdc.cpu()) - before
  return { cpu: used / count, rate: (count / elapsed) * 1000, p50, p99 }
}
