import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { type ConnectTunnelOptions, connectTunnel } from '../../../cli/tunnel/connect.js'
import type { Place } from '../../../cli/tunnel/place.js'
import { type ServeTunnelOptions, serveTunnel, type Tunnel } from '../../../cli/tunnel/serve.js'
import type { Channel, Realm } from '../../../client/index.js'
import { acceptChannels, type Service } from '../../../service/index.js'
import { HOUR } from '../../../shared/time.js'
import { startRealm, type TestRealm } from '../../../testing/index.js'
import { TestLogger } from '../../support/logger.js'

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

export async function redisRealm(maxLife = HOUR): Promise<TestRealm> {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'redis', 'stranger')
  await realm.allow('web', 'redis', { claims: { role: 'reader' }, maxLife })
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

export interface TunnelScene {
  readonly realm: TestRealm
  readonly service: Service
  readonly web: Realm
  readonly serve: Tunnel
  readonly connect: Tunnel
  /** Of the client's end, and of the service's: a port, or the path of a socket. */
  readonly at: number | string
  readonly served: number
  /** The server behind, each of its connections as it came. */
  readonly upstream: Peer[]
  readonly server: Server
  readonly log: TestLogger
}

export interface TunnelSceneOptions {
  readonly serving?: Partial<ServeTunnelOptions>
  readonly connecting?: Partial<ConnectTunnelOptions>
  readonly follows?: boolean
  /** Of the tickets, milliseconds. */
  readonly maxLife?: number
  /** Where the client's end connects to, if not to the service's. */
  readonly by?: (port: number) => Promise<number>
}

const FREE: Place = { host: '127.0.0.1', port: 0 }

/** A server that answers nothing by itself, and both ends of a tunnel to it. */
export async function startTunnel(options: TunnelSceneOptions = {}): Promise<TunnelScene> {
  const realm = await redisRealm(options.maxLife)
  const upstream: Peer[] = []
  const server = createServer({ allowHalfOpen: true }, socket => void upstream.push(new Peer(socket)))
  const port = await listening(server)
  const log = new TestLogger()
  const service = await realm.loadService('redis', options.follows ? { kdc: realm.kdc.url } : {})
  const to = { host: '127.0.0.1', port }
  const serve = await serveTunnel({ service, listen: FREE, to, logger: log, ...options.serving })
  const served = 'port' in serve.place ? serve.place.port : 0
  const between = (await options.by?.(served)) ?? served
  const web = await realm.connect('web')
  const connect = await connectTunnel({
    realm: web,
    service: 'redis',
    listen: FREE,
    to: between === 0 ? serve.place : { host: '127.0.0.1', port: between },
    logger: log,
    timers: realm.clock,
    ...options.connecting,
  })
  if (options.follows) await expect.poll(() => service.state.ready).toBe(true)
  onTestFinished(async () => {
    for (const { socket } of upstream) socket.destroy()
    await connect.close(0).catch(() => {})
    await serve.close(0).catch(() => {})
    web.close()
    await service.close()
  })
  const at = 'port' in connect.place ? connect.place.port : connect.place.path
  return { realm, service, web, serve, connect, at, served, upstream, server, log }
}

/** A connection through the tunnel, and what the server has of it. */
export async function through(scene: TunnelScene): Promise<[near: Peer, far: Peer]> {
  const before = scene.upstream.length
  const near = await Peer.connect(scene.at)
  await expect.poll(() => scene.upstream.length).toBe(before + 1)
  return [near, scene.upstream[before] as Peer]
}
