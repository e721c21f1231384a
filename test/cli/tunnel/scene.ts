import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Channel } from '../../../client/index.js'
import { acceptChannels } from '../../../service/index.js'
import { startRealm, type TestRealm } from '../../../testing/index.js'

/** Sockets on the loopback that live as long as a test, and a realm with a service `redis` for its client `web`. */

export function ended(socket: Socket): Promise<unknown> {
  return new Promise(resolve => (socket.destroyed ? resolve(undefined) : socket.once('close', resolve)))
}

/** @returns its port */
export async function listening(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A client that keeps what it is sent, and is destroyed with the test. */
export class Peer {
  readonly socket: Socket
  hasEnded = false
  failure: string | undefined
  #received: Buffer[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', piece => this.#received.push(piece as Buffer))
    socket.on('end', () => {
      this.hasEnded = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.failure ??= error.code
    })
    onTestFinished(() => void socket.destroy())
  }

  static async connect(place: number | string): Promise<Peer> {
    const where = typeof place === 'number' ? { port: place, host: '127.0.0.1' } : { path: place }
    const socket = connect({ ...where, allowHalfOpen: true })
    const peer = new Peer(socket)
    await once(socket, 'connect')
    return peer
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  get text(): string {
    return this.received.toString('latin1')
  }
}

export async function redisRealm(): Promise<TestRealm> {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'redis', 'stranger')
  await realm.allow('web', 'redis', { claims: { role: 'reader' } })
  return realm
}

/** Both ends of channels over TCP. */
export async function channelPairs(): Promise<() => Promise<[client: Channel, service: Channel]>> {
  const realm = await redisRealm()
  const service = await realm.loadService('redis')
  const server = createServer()
  const waiting: ((channel: Channel) => void)[] = []
  const accepted = acceptChannels({ service, server }, async channel => {
    waiting.shift()?.(channel)
    await channel.closed
  })
  const port = await listening(server)
  const web = await realm.connect('web')
  onTestFinished(() => accepted.close())
  return async () => {
    const served = new Promise<Channel>(resolve => waiting.push(resolve))
    const client = await web.openChannel(`tcp://127.0.0.1:${port}`, { service: 'redis' })
    return [client, await served]
  }
}

/** Both ends of a connection, the second one as a server has it. */
export async function socketPair(): Promise<[Peer, Socket]> {
  const server = createServer({ allowHalfOpen: true })
  const port = await listening(server)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const peer = await Peer.connect(port)
  return [peer, (await accepted)[0]]
}
