import { type Column, type Group, type MeasuredRow, makeGroup, type Sample } from '../figures.js'
import { warmUp } from '../measure.js'
import { measureMit } from '../mit/rows.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import type { LoadFigures } from './load-process.js'
import type { Exchange } from './questions.js'
import type { StartedKdc } from './realm.js'

/** AS and TGS over WebSockets: a KDC in one process, all of its clients in another. */

const SERVICES = 16
const FIRST = 256

const COLUMNS: readonly Column[] = [
  { key: 'cpu', title: 'CPU of the KDC, µs each', better: 'less' },
  { key: 'rate', title: 'requests a second', better: 'more' },
  { key: 'p50', title: 'p50, ms', better: 'less' },
  { key: 'p99', title: 'p99, ms', better: 'less' },
]

const EXCHANGES: readonly Exchange[] = [
  { exchange: 'AS', services: 0 },
  { exchange: 'AS', services: 4 },
  { exchange: 'TGS', services: 1 },
  { exchange: 'TGS', services: 16 },
]

const SHAPES = [
  { connections: 1, inFlight: 1 },
  { connections: 1, inFlight: 32 },
  { connections: 64, inFlight: 1 },
] as const

interface Plan extends Exchange {
  readonly connections: number
  readonly inFlight: number
}

export async function measureExchanges(settings: Settings): Promise<Group> {
  return makeGroup(HEAD, [...(await measureOwn(settings)), ...(await measureMit(settings))])
}

function measureOwn(settings: Settings): Promise<MeasuredRow[]> {
  return withChildren(['./exchanges/kdc-process.js', './exchanges/load-process.js'], async (...processes) => {
    const [kdc, load] = processes as [Child, Child]
    const connections = Math.max(...SHAPES.map(shape => shape.connections))
    const started = await kdc.ask<StartedKdc>('start', { clients: connections, services: SERVICES })
    await load.ask('connect', { ...started, connections })
    const rows: MeasuredRow[] = []
    for (const exchange of EXCHANGES) {
      await requireTickets(load, exchange)
      for (const shape of SHAPES) rows.push(await measurePlan(kdc, load, { ...exchange, ...shape }, settings))
    }
    return rows
  })
}

const HEAD = {
  id: 'exchanges',
  title: 'The KDC: AS and TGS',
  note:
    'A KDC with its store in memory and its limits of rate raised, and the load in a second process, over WebSockets ' +
    'on loopback. Each connection is another client; requests are made beforehand. MIT krb5 is asked over UDP, a socket ' +
    'for each request in flight, with its database in a file, its log on, and without the times of the last login.',
  columns: COLUMNS,
  main: 'cpu',
}

async function requireTickets(load: Child, exchange: Exchange): Promise<void> {
  await load.ask('prepare', { ...exchange, count: 1, connections: 1 })
  const expected = exchange.services + (exchange.exchange === 'AS' ? 1 : 0)
  if ((await load.ask<number>('probe')) !== expected) throw new Error('the KDC gave too few tickets')
}

async function measurePlan(kdc: Child, load: Child, plan: Plan, settings: Settings): Promise<MeasuredRow> {
  const count = await warmUp(count => measureRound(kdc, load, plan, count), FIRST, settings)
  const samples: Sample[] = []
  for (let round = 0; round < settings.rounds; round++) {
    samples.push(await measureRound(kdc, load, plan, count))
  }
  return { head: { id: idOf(plan), name: nameOf(plan) }, samples }
}

async function measureRound(kdc: Child, load: Child, plan: Plan, count: number): Promise<Sample> {
  const { connections, inFlight } = plan
  const asked = Math.ceil(count / connections) * connections
  await load.ask('prepare', { ...plan, count })
  const before = await kdc.cpu()
  const { elapsed, p50, p99 } = await load.ask<LoadFigures>('run', { inFlight })
  const used = (await kdc.cpu()) - before
  return { cpu: used / asked, rate: (asked / elapsed) * 1000, p50, p99 }
}

function idOf({ exchange, services, connections, inFlight }: Plan): string {
  return `${exchange.toLowerCase()}.${services}.${connections}x${inFlight}`
}

function nameOf({ exchange, services, connections, inFlight }: Plan): string {
  const tickets = services === 0 ? 'TGT only' : `${services} service${services === 1 ? '' : 's'}`
  const asked = `${connections} connection${connections === 1 ? '' : 's'}, ${inFlight} in flight`
  return `${exchange}, ${tickets}; ${connections > 1 ? `${connections} connections` : asked}`
}
