import { RecordChannel } from '../shared/channel/records.js'
import { type StreamBasis, StreamOpener, StreamSealer } from '../shared/channel/sealed-stream.js'
import { SIZE } from '../shared/constants.js'
import { AuthKey, ChannelKey } from '../shared/crypto/keys.js'
import { systemRandom } from '../shared/crypto/random.js'
import { type Group, makeGroup, type Sample } from './figures.js'
import { type BoundOperation, measureOperations } from './measure.js'
import type { Settings } from './settings.js'

/** A channel's records, from a message on one side to the message on the other. */

const KIB = 1024

export async function measureChannel(settings: Settings): Promise<Group> {
  const operations = [...[KIB, 64 * KIB].map(operation), sealedBody(64 * KIB)]
  return makeGroup(HEAD, await measureOperations(operations, settings))
}

const HEAD = {
  id: 'channel',
  title: 'The channel',
  note:
    'Messages sealed at one side and opened at the other, both in one process; MB are millions of bytes of messages. ' +
    'A message of 64 KiB is two records. The sealed body is one stream of such pieces, without HTTP.',
  columns: [
    { key: 'throughput', title: 'MB a second', better: 'more' },
    { key: 'cpu', title: 'CPU, µs a message', better: 'less' },
  ],
  main: 'throughput',
} as const

function operation(bytes: number): BoundOperation {
  const [message, key] = [systemRandom(bytes), systemRandom(SIZE.KEY)]
  const client = new RecordChannel({ role: 'client', key: new ChannelKey(key.slice()), maxMessage: bytes })
  const service = new RecordChannel({ role: 'service', key: new ChannelKey(key), maxMessage: bytes })
  const head = { id: `channel.${bytes}`, name: `messages of ${bytes / KIB} KiB, sealed and opened` }
  return { head, round: async count => measureRound(client, service, message, count) }
}

/** One body of many pieces: its sealer and its opener, as `realm.fetch` and `requireTicket` have them. */
export function sealedBody(bytes: number): BoundOperation {
  const piece = systemRandom(bytes)
  const basis: StreamBasis = {
    key: new AuthKey(systemRandom(SIZE.KEY)),
    direction: 'client-to-service',
    messages: [systemRandom(512)],
  }
  const sealer = new StreamSealer(basis, systemRandom)
  const opener = new StreamOpener(basis)
  opener.open(sealer.salt, () => {})
  const seal = (): number => {
    let received = 0
    for (const frame of sealer.seal(piece)) {
      opener.open(frame, payload => {
        received += payload.length
      })
    }
    return received
  }
  const head = {
    id: `sealed.${bytes}`,
    name: `a sealed body in pieces of ${bytes / KIB} KiB`,
    beside: `channel.${bytes}`,
  }
  return { head, round: async count => measurePieces(seal, bytes, count) }
}

function measurePieces(carry: () => number, bytes: number, count: number): Sample {
  globalThis.gc?.()
  const [used, begin] = [process.cpuUsage(), performance.now()]
  let received = 0
  for (let i = 0; i < count; i++) received += carry()
  const milliseconds = performance.now() - begin
  const { user, system } = process.cpuUsage(used)
  if (received !== count * bytes) throw new Error('bytes were lost')
  return {
    cpu: (user + system) / count,
    throughput: received / 1000 / milliseconds,
    rate: (count / milliseconds) * 1000,
  }
}

function measureRound(
  client: RecordChannel,
  service: RecordChannel,
  message: Uint8Array,
  count: number,
): Sample {
  const carry = (): number => {
    let received = 0
    for (const record of client.sealMessage(message)) {
      const event = service.open(record)
      if (event?.kind === 'message') received += event.message.length
    }
    return received
  }
  return measurePieces(carry, message.length, count)
}
