import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { WebSocketServer } from 'ws'
import { acceptChannels } from '../../service/accept-channels.js'
import { requireTicket } from '../../service/require-ticket.js'
import type { Channel } from '../../shared/channel/channel.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { serviceName } from '../exchanges/realm.js'
import { serve } from '../processes.js'
import { loadBenchService } from '../service.js'
import { PATH, PIECE_BYTES, type StreamPorts } from './ways.js'

/** The process of a service that takes bodies, makes bodies, and takes messages, with Orthrus and without. */

const piece = Buffer.from(systemRandom(PIECE_BYTES))

async function start({ keytab }: { keytab: string }): Promise<StreamPorts> {
  const service = await loadBenchService({ keytab: { text: keytab }, service: serviceName(0) })
  const ticketed = createServer(requireTicket({ service }, handle))
  acceptChannels({ service, server: ticketed, path: PATH.CHANNEL }, countMessages)
  const plain = createServer((req, res) => void handle(req, res))
  countPlain(new WebSocketServer({ server: plain, path: PATH.CHANNEL, perMessageDeflate: false }))
  const tcp = createTcpServer()
  acceptChannels({ service, server: tcp }, countMessages)
  return { ticketed: await listen(ticketed), plain: await listen(plain), tcp: await listen(tcp) }
}

/** Counts what comes in, or makes as many pieces as the query says. */
async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://127.0.0.1')
  if (pathname === PATH.RESPONSE) {
    await pipeline(Readable.from(pieces(Number(searchParams.get('pieces')))), res)
    return
  }
  let bytes = 0
  for await (const chunk of req) bytes += (chunk as Buffer).length
  res.end(String(bytes))
}

function* pieces(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield piece
}

/** The first message says how many follow, and an answer says that all have come. */
async function countMessages(channel: Channel): Promise<void> {
  for (;;) {
    const first = await channel.receive()
    if (first === undefined) return
    const count = Number(new TextDecoder().decode(first))
    for (let i = 0; i < count; i++) await channel.receive()
    await channel.send('all')
  }
}

function countPlain(server: WebSocketServer): void {
  server.on('connection', socket => {
    let left = 0
    socket.on('message', data => {
      if (left === 0) left = Number(String(data))
      else if (--left === 0) socket.send('all')
    })
  })
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

serve({ start })
