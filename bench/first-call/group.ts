import { clientName, type StartedKdc, serviceName } from '../exchanges/realm.js'
import { type Group, makeGroup, type RowHead, type Sample, summarize } from '../figures.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import { createAuthority, createIdentity } from './certificate.js'
import type { OrthrusOrder } from './client-process.js'
import type { Ports } from './service-process.js'
import type { TlsOrder } from './tls.js'

/** From nothing to the first answered call, beside mutual TLS. */

const CLIENT = './first-call/client-process.js'
const COUNT = { NORMAL: 50, QUICK: 3 } as const

type Calls = 'orthrusNew' | 'orthrusHeld' | 'tlsNew' | 'tlsResumed'

interface Plan {
  readonly head: RowHead
  readonly calls: Calls
  /** In a process that has done nothing before, once. */
  readonly fresh: boolean
}

const [FRESH, RUNNING, HELD] = ['first.fresh', 'first.running', 'first.held']

const PLANS: readonly Plan[] = [
  { head: { id: FRESH, name: 'Orthrus, first call of a new process' }, calls: 'orthrusNew', fresh: true },
  {
    head: { id: 'tls.fresh', name: 'mutual TLS, first call of a new process', peer: true, beside: FRESH },
    calls: 'tlsNew',
    fresh: true,
  },
  { head: { id: RUNNING, name: 'Orthrus, from no ticket' }, calls: 'orthrusNew', fresh: false },
  {
    head: { id: 'tls.new', name: 'mutual TLS, new connection', peer: true, beside: RUNNING },
    calls: 'tlsNew',
    fresh: false,
  },
  { head: { id: HELD, name: 'Orthrus, ticket held, new connection' }, calls: 'orthrusHeld', fresh: false },
  {
    head: { id: 'tls.resumed', name: 'mutual TLS, resumed connection', peer: true, beside: HELD },
    calls: 'tlsResumed',
    fresh: false,
  },
]

/** The processes, and what is asked of the client's. */
interface Scene {
  readonly kdc: Child
  readonly service: Child
  readonly client: Child
  readonly orthrus: Omit<OrthrusOrder, 'count'>
  readonly tls: Omit<TlsOrder, 'count'>
}

const SERVERS = ['./exchanges/kdc-process.js', './first-call/service-process.js']

export function measureFirstCalls(settings: Settings): Promise<Group> {
  return withChildren([...SERVERS, CLIENT], async (...processes) => {
    const scene = await buildScene(...(processes as [Child, Child, Child]))
    const rows = PLANS.map(plan => ({ plan, head: plan.head, samples: [] as Sample[] }))
    // One round more, to warm up.
    for (let round = settings.quick ? 0 : -1; round < settings.rounds; round++) {
      for (const { plan, samples } of rows) {
        const sample = await measurePlan(scene, plan, settings)
        if (round >= 0) samples.push(sample)
      }
    }
    return makeGroup(HEAD, rows)
  })
}

const HEAD = {
  id: 'first-call',
  title: 'To the first answered call',
  note:
    'Client, service and KDC are processes of their own, on loopback. From no ticket: connect to the KDC, one AS ' +
    'exchange for TGT and ticket, one HTTP call. Every call has a new connection to the service. Elapsed is the ' +
    `median of ${COUNT.NORMAL} calls a round, but of one call in a new process, whose modules are loaded, with ws and the platform's fetch, and nothing else. ` +
    'The service began long before, so that its wait after a start does not count. TLS 1.3 with P-256 certificates.',
  columns: [
    { key: 'elapsed', title: 'elapsed, ms', better: 'less' },
    { key: 'cpu', title: 'CPU of KDC and service, µs a call', better: 'less' },
  ],
  main: 'elapsed',
} as const

async function buildScene(kdc: Child, service: Child, client: Child): Promise<Scene> {
  const { url, keytab } = await kdc.ask<StartedKdc>('start', { clients: 1, services: 1 })
  const ca = createAuthority()
  const authority = ca.identity.certificate
  const identity = createIdentity(ca, 'service')
  const order = { keytab, service: serviceName(0), authority, identity }
  const ports = await service.ask<Ports>('start', order)
  const own = { kdc: url, keytab, principal: clientName(0), service: serviceName(0) }
  const orthrus = { ...own, url: `http://127.0.0.1:${ports.orthrus}/orders/7` }
  return {
    kdc,
    service,
    client,
    orthrus,
    tls: { port: ports.tls, authority, identity: createIdentity(ca, 'client') },
  }
}

async function measurePlan(scene: Scene, { calls, fresh }: Plan, settings: Settings): Promise<Sample> {
  const order = calls.startsWith('orthrus') ? scene.orthrus : scene.tls
  if (fresh) {
    const [elapsed = Number.NaN] = await withChildren([CLIENT], first =>
      first.ask<number[]>(calls, { ...order, count: 1 }),
    )
    return { elapsed }
  }
  const count = settings.quick ? COUNT.QUICK : COUNT.NORMAL
  const before = await serversCpu(scene)
  const times = await scene.client.ask<number[]>(calls, { ...order, count })
  // Those that hold something made one call more, to get it.
  const made = calls === 'orthrusHeld' || calls === 'tlsResumed' ? count + 1 : count
  return { elapsed: summarize(times).median, cpu: ((await serversCpu(scene)) - before) / made }
}

async function serversCpu({ kdc, service }: Scene): Promise<number> {
  return (await kdc.cpu()) + (await service.cpu())
}
