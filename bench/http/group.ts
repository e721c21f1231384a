import { formatKeytab } from '../../shared/keytab/keytab.js'
import type { LoadFigures } from '../exchanges/load-process.js'
import { clientName, entryOf, type StartedKdc, serviceName } from '../exchanges/realm.js'
import { type Column, type Group, makeGroup, type Sample } from '../figures.js'
import { warmUp } from '../measure.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import type { Handler } from './load-process.js'
import { CONNECTIONS } from './requests.js'
import type { StartedService } from './service-process.js'

/** `requireTicket` around a handler that does nothing, against the same handler alone. */

const FIRST = 320

const COLUMNS: readonly Column[] = [
  { key: 'rate', title: 'requests a second', better: 'more' },
  { key: 'lost', title: '% lost', better: 'less' },
  { key: 'cpu', title: 'CPU of the service, µs each', better: 'less' },
  { key: 'p50', title: 'p50, ms', better: 'less' },
  { key: 'p99', title: 'p99, ms', better: 'less' },
]

/** A live KDC, a service that follows it and one that does not, and the load. */
const PROCESSES = [
  './exchanges/kdc-process.js',
  './http/service-process.js',
  './http/service-process.js',
  './http/load-process.js',
]

export function measureHttp(settings: Settings): Promise<Group> {
  return withChildren(PROCESSES, async (...processes) => {
    const [kdc, alone, following, load] = processes as [Child, Child, Child, Child]
    const revocations = settings.quick ? 100 : 10_000
    const started = await kdc.ask<StartedKdc>('start', { clients: 1, services: 1 })
    await kdc.ask('fillLog', { client: clientName(0), entries: revocations })
    const keytab = formatKeytab([entryOf(started.keytab, serviceName(0))])
    const { bare, ticketed } = await alone.ask<StartedService>('start', { keytab })
    const feed = { kdc: started.url, revocations }
    const { ticketed: followed } = await following.ask<StartedService>('start', { keytab, feed })
    await load.ask('connect', { bare, ticketed, followed, keytab })
    return await measureAll(
      { bare: alone, ticketed: alone, followed: following },
      load,
      settings,
      revocations,
    )
  })
}

const HEAD = {
  id: 'http',
  title: 'requireTicket around an empty handler of node:http',
  note:
    `A service in one process and the load in a second, over ${CONNECTIONS} keep-alive connections, each another ` +
    'client whose ticket is known; AP-REQs are made just before they are sent. The bare handler is in the same ' +
    'process as the other, and gets no Authorization. The same service in a third process follows a KDC that is ' +
    'running, asks it every 5 s whether it has everything, and holds all that was revoked before.',
  columns: COLUMNS,
  main: 'rate',
}

const HANDLERS: readonly Handler[] = ['bare', 'ticketed', 'followed']

async function measureAll(
  services: Readonly<Record<Handler, Child>>,
  load: Child,
  settings: Settings,
  revocations: number,
): Promise<Group> {
  const measure = (handler: Handler, count: number) => measureRound(services[handler], load, handler, count)
  const counts: Record<Handler, number> = { bare: 0, ticketed: 0, followed: 0 }
  for (const handler of HANDLERS) {
    counts[handler] = await warmUp(count => measure(handler, count), FIRST, settings)
  }
  const samples: Record<Handler, Sample[]> = { bare: [], ticketed: [], followed: [] }
  for (let round = 0; round < settings.rounds; round++) {
    const without = await measure('bare', counts.bare)
    samples.bare.push(without)
    for (const handler of ['ticketed', 'followed'] as const) {
      const within = await measure(handler, counts[handler])
      const lost = 100 * (1 - (within.rate ?? 0) / (without.rate ?? 0))
      samples[handler].push({ ...within, lost })
    }
  }
  const [ticketed, bare] = ['http.ticketed', 'http.bare']
  const followed = `the same, following a KDC with ${revocations.toLocaleString('en')} revocations`
  return makeGroup(HEAD, [
    { head: { id: ticketed, name: 'behind requireTicket', beside: bare }, samples: samples.ticketed },
    { head: { id: 'http.followed', name: followed, beside: ticketed }, samples: samples.followed },
    { head: { id: bare, name: 'the handler alone', peer: true }, samples: samples.bare },
  ])
}

async function measureRound(service: Child, load: Child, handler: Handler, count: number): Promise<Sample> {
  await load.ask('prepare', { handler, count })
  const before = await service.cpu()
  const { elapsed, p50, p99 } = await load.ask<LoadFigures>('run')
  const used = (await service.cpu()) - before
  const asked = Math.ceil(count / CONNECTIONS) * CONNECTIONS
  return { rate: (asked / elapsed) * 1000, cpu: used / asked, p50, p99 }
}
