import type { StartedKdc } from '../exchanges/realm.js'
import { type Group, type GroupHead, makeGroup, type RowHead, type Sample } from '../figures.js'
import { createAuthority, createIdentity } from '../first-call/certificate.js'
import { type BoundOperation, measureOperations } from '../measure.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import type { EndOrder } from './end-process.js'
import type { RunOrder } from './load-process.js'
import { PIECE_BYTES } from './pieces.js'
import { hasStunnel, type Stunnel, type StunnelOptions, startStunnel } from './stunnel.js'

/** `orthrus tunnel` beside stunnel and relays of Node's own sockets, each from a program to the same server. */

const HEAD: GroupHead = {
  id: 'tunnel',
  title: 'A tunnel',
  note:
    'A program sends pieces of 64 KiB to a server that counts them, over two ends of a tunnel on loopback, each party a ' +
    'process of its own. MB are millions of bytes. A new connection is timed from the call of the program to the first byte of ' +
    "the server's answer, 100 of them a round, one after another; the ticket is held. TLS has certificates on both sides: stunnel " +
    'proves them once, and then resumes the session for each connection, if it is not told otherwise; the relay of Node ' +
    'proves them each time. CPU is that of both ends, for the pieces.',
  columns: [
    { key: 'throughput', title: 'MB a second', better: 'more' },
    { key: 'latency', title: 'new connection, ms', better: 'less' },
    { key: 'ends', title: 'CPU of both ends, ms for 100 MB', better: 'less' },
  ],
  main: 'throughput',
}

const OWN = 'tunnel.orthrus'
const CONNECTIONS = { NORMAL: 100, QUICK: 3 } as const

const WAYS = ['orthrus', 'tls', 'pipe'] as const
const NAMES: Readonly<Record<EndOrder['way'], string>> = {
  orthrus: 'orthrus tunnel',
  tls: 'two relays of Node, TLS 1.3 between them',
  pipe: 'two relays of Node, in clear',
}

const STUNNELS = [
  ['tunnel.stunnel', 'stunnel', true],
  ['tunnel.stunnel.full', 'stunnel, which resumes no session', false],
] as const

/** What carries connections from a port to the server. */
interface Carrier {
  readonly head: RowHead
  readonly port: number
  /** Microseconds of both ends. */
  cpu(): Promise<number>
}

const PROCESSES = ['./exchanges/kdc-process.js', './tunnel/server-process.js', './tunnel/load-process.js']
const ENDS = WAYS.flatMap(() => ['./tunnel/end-process.js', './tunnel/end-process.js'])

export function measureTunnel(settings: Settings): Promise<Group> {
  return withChildren([...PROCESSES, ...ENDS], async (...processes) => {
    const [kdc, server, load, ...ends] = processes as [Child, Child, Child, ...Child[]]
    const started = await kdc.ask<StartedKdc>('start', { clients: 1, services: 1 })
    const to = await server.ask<number>('start')
    const ca = createAuthority()
    const identity = createIdentity(ca, 'bench')
    const common = { kdc: started, authority: ca.identity.certificate, identity }
    const own: Carrier[] = []
    for (const [i, way] of WAYS.entries()) {
      own.push(await startEnds(way, to, common, ends.slice(2 * i, 2 * i + 2) as [Child, Child]))
    }
    if (!hasStunnel) {
      console.error('without stunnel, which is not installed: Debian has it in stunnel4')
      return measureAll(own, load, settings)
    }
    return withStunnels({ to, authority: common.authority, identity }, stunnels =>
      measureAll([...own, ...stunnels], load, settings),
    )
  })
}

async function withStunnels<T>(
  options: Omit<StunnelOptions, 'resumes'>,
  use: (stunnels: readonly Carrier[]) => Promise<T>,
): Promise<T> {
  const started: Stunnel[] = []
  try {
    const carriers: Carrier[] = []
    for (const [id, name, resumes] of STUNNELS) {
      const stunnel = await startStunnel({ ...options, resumes })
      started.push(stunnel)
      carriers.push({
        head: { id, name, peer: true, beside: OWN },
        port: stunnel.port,
        cpu: async () => stunnel.cpu(),
      })
    }
    return await use(carriers)
  } finally {
    await Promise.all(started.map(stunnel => stunnel.stop()))
  }
}

async function startEnds(
  way: EndOrder['way'],
  to: number,
  common: Pick<EndOrder, 'kdc' | 'authority' | 'identity'>,
  [far, near]: readonly [Child, Child],
): Promise<Carrier> {
  const served = await far.ask<number>('start', { ...common, way, side: 'serve', to })
  const port = await near.ask<number>('start', { ...common, way, side: 'connect', to: served })
  const beside = way === 'orthrus' ? {} : { peer: true, beside: OWN }
  return {
    head: { id: `tunnel.${way}`, name: NAMES[way], ...beside },
    port,
    cpu: async () => (await far.cpu()) + (await near.cpu()),
  }
}

async function measureAll(carriers: readonly Carrier[], load: Child, settings: Settings): Promise<Group> {
  const connections = settings.quick ? CONNECTIONS.QUICK : CONNECTIONS.NORMAL
  const operations = carriers.map(
    (carrier): BoundOperation => ({
      head: carrier.head,
      round: count => measureRound(carrier, load, count, connections),
    }),
  )
  return makeGroup(HEAD, await measureOperations(operations, settings))
}

async function measureRound(
  { port, cpu }: Carrier,
  load: Child,
  count: number,
  connections: number,
): Promise<Sample> {
  const ask = (order: 'send' | 'open', many: number) =>
    load.ask<number>(order, { port, count: many } satisfies RunOrder)
  const before = await cpu()
  const milliseconds = await ask('send', count)
  const used = (await cpu()) - before
  const megabytes = (count * PIECE_BYTES) / 1_000_000
  return {
    throughput: (megabytes / milliseconds) * 1000,
    latency: await ask('open', connections),
    ends: (used / 1000 / megabytes) * 100,
    rate: (count / milliseconds) * 1000,
  }
}
