import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { httpPlaceOf } from '../../../cli/proxy/place.js'
import { type ServeProxyOptions, serveProxy } from '../../../cli/proxy/serve-proxy.js'
import { serveUpgrades, type WebSocketLimits } from '../../../cli/proxy/serve-upgrade.js'
import { Shares } from '../../../cli/proxy/shares.js'
import type { Upgrades } from '../../../cli/proxy/upgrades.js'
import { Upstream } from '../../../cli/proxy/upstream.js'
import type { Service } from '../../../service/index.js'
import { startRealm, type TestRealm } from '../../../testing/index.js'
import { TestLogger } from '../../support/logger.js'

/** A program that knows nothing of tickets, a proxy in front of it, and a realm in which `web` may call `orders`. */

/** A request as the program got it. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

export type Program = (req: IncomingMessage, res: ServerResponse, body: string) => unknown

export interface Scene {
  readonly realm: TestRealm
  readonly service: Service
  readonly logger: TestLogger
  /** What the program was asked. */
  readonly seen: Seen[]
  readonly port: number
  readonly url: string
  readonly upstream: Upstream
  readonly upgrades: Upgrades
  /** The value of a header that the program got last. */
  header(name: string): string | undefined
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ''] as [string, string]] : []))
}

/** A program that answers what it was asked, in JSON, unless it does something else. */
export async function startProgram(seen: Seen[], program?: Program): Promise<number> {
  const server = createServer((req, res) => {
    const pieces: Buffer[] = []
    req.on('data', piece => pieces.push(piece))
    req.on('end', () => {
      const body = Buffer.concat(pieces).toString()
      const { method = '', url: target = '' } = req
      seen.push({ method, target, headers: pairs(req.rawHeaders), body })
      if (program !== undefined) program(req, res, body)
      else res.setHeader('content-type', 'application/json').end(JSON.stringify({ method, target, body }))
    })
  })
  return listen(server)
}

export async function ordersRealm(): Promise<TestRealm> {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders', 'stranger', 'gate')
  await realm.allow('web', 'orders', { claims: { role: 'reader', team: ['a', 'b'] }, delegable: true })
  await realm.allow('gate', 'orders')
  return realm
}

export interface SceneOptions extends Partial<Omit<ServeProxyOptions, 'service' | 'upstream'>> {
  readonly program?: Program
  /** Where the program listens, if it is not started here. */
  readonly to?: string
  readonly connections?: number
  readonly waiting?: number
  readonly webSockets?: WebSocketLimits
  /** Whether the service follows what the KDC revokes. */
  readonly follows?: boolean
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const realm = await ordersRealm()
  const {
    program,
    to,
    connections = 8,
    waiting = 8,
    webSockets = { max: 8, perClient: 4 },
    follows = false,
    ...own
  } = options
  const seen: Seen[] = []
  const place = httpPlaceOf(new URL(to ?? `http://127.0.0.1:${await startProgram(seen, program)}`))
  const upstream = new Upstream({ place, timers: realm.clock, connections, waiting })
  onTestFinished(() => upstream.close())
  const logger = new TestLogger()
  const service = await realm.loadService('orders', { logger, ...(follows ? { kdc: realm.kdc.url } : {}) })
  if (follows) await expect.poll(() => service.state.ready).toBe(true)
  const server = createServer()
  const proxy: ServeProxyOptions = {
    service,
    upstream,
    owned: { prefix: 'x-orthrus-', strip: new Set() },
    claims: {},
    openPaths: new Set(),
    maxBody: 1024 * 1024,
    maxResponse: 1024 * 1024,
    patience: 60_000,
    clientPatience: 60_000,
    shares: new Shares(1_000, 1_000),
    timers: realm.clock,
    logger,
    ...own,
  }
  serveProxy(server, proxy)
  const upgrades = serveUpgrades(server, proxy, webSockets)
  const port = await listen(server)
  onTestFinished(() => upgrades.close(0))
  const header = (name: string): string | undefined =>
    seen.at(-1)?.headers.find(([given]) => given.toLowerCase() === name)?.[1]
  return {
    realm,
    service,
    logger,
    seen,
    port,
    url: `http://127.0.0.1:${port}`,
    upstream,
    upgrades,
    header,
  }
}

/** What comes back for these very bytes, until the connection ends. */
export function raw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connectSocket({ host: '127.0.0.1', port }, () =>
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    )
    socket.on('data', data => {
      text += data.toString('latin1')
    })
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
    onTestFinished(() => void socket.destroy())
  })
}

export const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])
