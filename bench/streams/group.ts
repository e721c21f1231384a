import { sealedBody } from '../channel.js'
import type { StartedKdc } from '../exchanges/realm.js'
import { type Group, type GroupHead, makeGroup, type RowHead, type Sample } from '../figures.js'
import { type BoundOperation, measureOperations } from '../measure.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import type { RunOrder } from './load-process.js'
import { MESSAGE_BYTES, PIECE_BYTES, type StreamPorts, type Way } from './ways.js'

/** Bodies and messages between two processes, over sockets: sealed ones beside plain ones, and beside the sealing alone. */

const PROCESSES = ['./exchanges/kdc-process.js', './streams/service-process.js', './streams/load-process.js']

interface Parties {
  readonly service: Child
  readonly load: Child
}

function operation(parties: Parties, head: RowHead, order: Omit<RunOrder, 'count'>): BoundOperation {
  return { head, round: count => measureRound(parties, { ...order, count }) }
}

async function measureRound({ service, load }: Parties, order: RunOrder): Promise<Sample> {
  const { count, isLarge } = order
  const before = [await load.cpu(), await service.cpu()] as const
  const milliseconds = await load.ask<number>('run', order)
  const after = [await load.cpu(), await service.cpu()] as const
  return {
    throughput: (count * (isLarge ? PIECE_BYTES : MESSAGE_BYTES)) / 1000 / milliseconds,
    rate: (count / milliseconds) * 1000,
    client: (after[0] - before[0]) / count,
    service: (after[1] - before[1]) / count,
  }
}

const HEAD: GroupHead = {
  id: 'streams',
  title: 'Bodies and channels over sockets',
  note:
    'A client in one process and a service in another, over loopback, without TLS. Each body is one stream of pieces of ' +
    '64 KiB, which the receiver counts and drops; a large message of a channel is such a piece, a small one has 64 bytes, ' +
    'and the client waits for every 64th to be taken by the system. The first row is the sealing and opening of the same ' +
    'pieces in one process, without HTTP, and its CPU is that of both sides. Plain bodies are those of the same handler ' +
    'of node:http without Orthrus, sent and read by fetch. MB are millions of bytes; CPU is for each piece or message.',
  columns: [
    { key: 'throughput', title: 'MB a second', better: 'more' },
    { key: 'rate', title: 'pieces or messages a second', better: 'more' },
    { key: 'client', title: 'CPU of the client, µs each', better: 'less' },
    { key: 'service', title: 'CPU of the service, µs each', better: 'less' },
  ],
  main: 'throughput',
}

const RECORDS = 'streams.records'

/** The sealing alone, for comparison. */
function records(): BoundOperation {
  const { round } = sealedBody(PIECE_BYTES)
  const head = { id: RECORDS, name: 'sealed and opened, without HTTP' }
  return {
    head,
    round: async count => {
      const { cpu = 0, ...sample } = await round(count)
      return { ...sample, client: cpu }
    },
  }
}

function large(parties: Parties, way: Way, name: string, peerOf?: Way): BoundOperation {
  const beside = peerOf === undefined ? { beside: RECORDS } : { peer: true, beside: `streams.${peerOf}` }
  return operation(parties, { id: `streams.${way}`, name, ...beside }, { way, isLarge: true })
}

function small(parties: Parties, way: Way, name: string, others: Partial<RowHead> = {}): BoundOperation {
  return operation(parties, { id: `messages.${way}`, name, ...others }, { way, isLarge: false })
}

export function measureStreams(settings: Settings): Promise<Group> {
  return withChildren(PROCESSES, async (...processes) => {
    const [kdc, service, load] = processes as [Child, Child, Child]
    const started = await kdc.ask<StartedKdc>('start', { clients: 1, services: 1 })
    const ports = await service.ask<StreamPorts>('start', { keytab: started.keytab })
    await load.ask('connect', { ...started, ports })
    return makeGroup(HEAD, await measureOperations(operations({ service, load }), settings))
  })
}

function operations(parties: Parties): BoundOperation[] {
  return [
    records(),
    large(parties, 'sealed.request', 'a sealed request'),
    large(parties, 'plain.request', 'a plain request', 'sealed.request'),
    large(parties, 'sealed.response', 'a sealed response'),
    large(parties, 'plain.response', 'a plain response', 'sealed.response'),
    large(parties, 'websocket', 'large messages of a channel over WebSocket'),
    large(parties, 'ws', 'the same with ws alone', 'websocket'),
    large(parties, 'tcp', 'large messages of a channel over TCP'),
    small(parties, 'websocket', 'small messages of a channel over WebSocket'),
    small(parties, 'ws', 'the same with ws alone', { peer: true, beside: 'messages.websocket' }),
    small(parties, 'tcp', 'small messages of a channel over TCP', { beside: 'messages.websocket' }),
  ]
}
