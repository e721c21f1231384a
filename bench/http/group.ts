import { formatKeytab } from '../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../shared/principal.js'
import type { LoadFigures } from '../exchanges/load-process.js'
import { type Column, type Group, makeGroup, type Sample } from '../figures.js'
import { warmUp } from '../measure.js'
import { createService } from '../presentation/scene.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import type { Handler } from './load-process.js'
import { CONNECTIONS, REVOCATIONS } from './requests.js'
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

export function measureHttp(settings: Settings): Promise<Group> {
  return withChildren(['./http/service-process.js', './http/load-process.js'], async (...processes) => {
    const [service, load] = processes as [Child, Child]
    const { name: principal, kvno, key } = createService(parsePrincipal('orders@bench.example'))
    const keytab = formatKeytab([{ principal, kvno, key }])
    const started = await service.ask<StartedService>('start', keytab)
    await load.ask('connect', { ...started, keytab })
    return await measureBoth(service, load, settings)
  })
}

const HEAD = {
  id: 'http',
  title: 'requireTicket around an empty handler of node:http',
  note:
    `A service in one process and the load in a second, over ${CONNECTIONS} keep-alive connections, each another ` +
    'client whose ticket is known; AP-REQs are made just before they are sent. The bare handler is in the same ' +
    'process as the other, and gets no Authorization.',
  columns: COLUMNS,
  main: 'rate',
}

async function measureBoth(service: Child, load: Child, settings: Settings): Promise<Group> {
  const [bare, ticketed, followed]: [Sample[], Sample[], Sample[]] = [[], [], []]
  const counts = {
    bare: await warmUp(count => measureRound(service, load, 'bare', count), FIRST, settings),
    ticketed: await warmUp(count => measureRound(service, load, 'ticketed', count), FIRST, settings),
    followed: await warmUp(count => measureRound(service, load, 'followed', count), FIRST, settings),
  }
  for (let round = 0; round < settings.rounds; round++) {
    const without = await measureRound(service, load, 'bare', counts.bare)
    const within = await measureRound(service, load, 'ticketed', counts.ticketed)
    const following = await measureRound(service, load, 'followed', counts.followed)
    const lost = ({ rate = 0 }: Sample): number => 100 * (1 - rate / (without.rate ?? 0))
    bare.push(without)
    ticketed.push({ ...within, lost: lost(within) })
    followed.push({ ...following, lost: lost(following) })
  }
  return makeGroup(HEAD, [
    { head: { id: 'http.ticketed', name: 'behind requireTicket', beside: 'http.bare' }, samples: ticketed },
    {
      head: {
        id: 'http.followed',
        name: `the same, following the KDC, with ${REVOCATIONS.toLocaleString('en')} revocations`,
        beside: 'http.bare',
      },
      samples: followed,
    },
    { head: { id: 'http.bare', name: 'the handler alone', peer: true }, samples: bare },
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
