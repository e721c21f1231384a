import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { freeBuffersSoon } from '../../cli/tunnel/buffers.js'
import { connectTunnel } from '../../cli/tunnel/connect.js'
import type { Place } from '../../cli/tunnel/place.js'
import { serveTunnel, type Tunnel } from '../../cli/tunnel/serve.js'
import { connect } from '../../client/connect.js'
import { silentLogger } from '../../shared/logger.js'
import { systemTimers } from '../../shared/timers.js'
import { clientName, type StartedKdc, serviceName } from '../exchanges/realm.js'
import type { Identity } from '../first-call/certificate.js'
import { serve } from '../processes.js'
import { loadBenchService } from '../service.js'

/** The process of one end of a tunnel, of any kind: what `orthrus tunnel` runs, or a relay of Node's own sockets. */

export type Side = 'serve' | 'connect'

export interface EndOrder {
  readonly way: 'orthrus' | 'tls' | 'pipe'
  readonly side: Side
  /** The port of the server behind it, or of the other end. */
  readonly to: number
  readonly kdc: StartedKdc
  /** For both sides of TLS. */
  readonly authority: string
  readonly identity: Identity
}

const HOST = '127.0.0.1'
const HALF_OPEN = { allowHalfOpen: true, noDelay: true } as const
const FREE: Place = { host: HOST, port: 0 }

/** @returns its port */
async function start(order: EndOrder): Promise<number> {
  if (order.way !== 'orthrus') return listen(relay(order))
  freeBuffersSoon()
  const { place } = await (order.side === 'serve' ? startServe(order) : startConnect(order))
  if ('path' in place) throw new Error('a tunnel listens on a path')
  return place.port
}

async function startServe({ kdc, to }: EndOrder): Promise<Tunnel> {
  const service = await loadBenchService({ keytab: { text: kdc.keytab }, service: serviceName(0) })
  return serveTunnel({ service, listen: FREE, to: { host: HOST, port: to }, logger: silentLogger })
}

async function startConnect({ kdc, to }: EndOrder): Promise<Tunnel> {
  const realm = await connect({ kdc: kdc.url, keytab: { text: kdc.keytab }, principal: clientName(0) })
  const service = serviceName(0)
  // As the command does.
  await realm.getServiceTicket(service)
  const there = { service, to: { host: HOST, port: to } }
  return connectTunnel({ realm, listen: FREE, ...there, logger: silentLogger, timers: systemTimers })
}

function relay({ way, side, to, authority, identity }: EndOrder): Server {
  const tls = { ca: authority, cert: identity.certificate, key: identity.key, minVersion: 'TLSv1.3' } as const
  const plain = { host: HOST, port: to, ...HALF_OPEN }
  if (way === 'tls' && side === 'serve') {
    const options = { ...tls, ...HALF_OPEN, requestCert: true, rejectUnauthorized: true }
    return createTlsServer(options, socket => join(socket, connectSocket(plain)))
  }
  const onward = (): Socket => (way === 'tls' ? connectTls({ ...plain, ...tls }) : connectSocket(plain))
  return createServer(HALF_OPEN, socket => join(socket, onward()))
}

function join(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one)
  for (const [socket, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    socket.on('error', () => {})
    socket.on('close', () => void peer.destroy())
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, HOST)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

serve({ start })
