import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, connect, Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type RequestListener, requireTicket, type TicketHandler } from '../../../service/index.js'
import { loadService } from '../../support/load-service.js'
import { TestLogger } from '../../support/logger.js'
import { expectProved, keytab, startRealm } from '../realm.js'

/** What frameworks pass to `requireTicket`, in their own shapes: for each the error says what to use instead. */

const req = () => new IncomingMessage(new Socket())
const res = () => new ServerResponse(req())

/** A context of Koa delegates to Node's objects, and has methods of its own. */
const koa = () => ({ req: req(), res: res(), app: {}, throw: () => {}, set: () => {} })
/** Fastify wraps both. */
const fastify = () => [
  { raw: req(), headers: {}, params: {} },
  { raw: res(), send: () => {}, header: () => {} },
]
/** Hono's context has a request of its own around the platform's. */
const hono = () => ({ req: { raw: new Request('http://127.0.0.1/'), path: '/' }, json: () => {}, env: {} })

type Anything = (...args: unknown[]) => unknown

async function middleware(): Promise<Anything> {
  const { service } = await startRealm()
  return requireTicket({ service }) as Anything
}

async function listener(): Promise<Anything> {
  const { service } = await startRealm()
  return requireTicket({ service }, () => expect.unreachable('it was handled')) as Anything
}

describe.each([
  ['as middleware', middleware],
  ['around a handler', listener],
])('requireTicket %s', (_, create) => {
  it('used by koa.use or hono.use throws a TypeError that names what to use', async () => {
    const guard = await create()
    const next = () => expect.unreachable('it went on')
    expect(() => guard(koa(), next)).toThrow(TypeError)
    expect(() => guard(koa(), next)).toThrow('orthrus/koa')
    expect(() => guard(hono(), next)).toThrow('orthrus/fetch-handler')
  })

  it('used by fastify.addHook hands the TypeError to done', async () => {
    const guard = await create()
    const told: unknown[] = []
    guard(...fastify(), (error: unknown) => void told.push(error))
    expect(told).toEqual([expect.any(TypeError)])
    expect(String(told[0])).toContain('orthrus/fastify')
    expect(() => guard(...fastify())).toThrow('orthrus/fastify')
  })

  it.each<[string, unknown[]]>([
    ['nothing', []],
    ['null', [null, null]],
    ['a request of fetch', [new Request('http://127.0.0.1/')]],
    ['an event', [{ node: { req: req(), res: res() } }]],
    ['a request without its response', [req()]],
    ['what throws when it is looked at', [new Proxy({}, { get: () => expect.fail('looked at') })]],
  ])('called with %s throws a TypeError', async (_, args) => {
    const guard = await create()
    expect(() => guard(...args)).toThrow(TypeError)
    expect(() => guard(...args)).toThrow('createServer(requireTicket({ service }, listener))')
  })
})

describe.each([
  ['as middleware', false],
  ['around a handler', true],
])('requireTicket %s that listens to another event', (_, hasHandler) => {
  const HEAD = 'Host: orders\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

  async function start(event: string, failing = false) {
    const log = new TestLogger()
    const failed = { ...log, error: () => expect.fail('the disk is full') }
    const service = await loadService({ keytab, service: 'orders', logger: failing ? failed : log })
    const gate = hasHandler ? requireTicket({ service }, () => {}) : requireTicket({ service })
    const server = createServer().on(event, gate as Anything)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return { log, server, port: (server.address() as AddressInfo).port }
  }

  /** Resolves when the server has closed the connection. An error thrown in the event would fail the test run. */
  async function send(port: number, text: string): Promise<void> {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    await new Promise<void>(resolve =>
      socket
        .on('error', () => {})
        .on('close', () => resolve())
        .resume(),
    )
  }

  it.each([
    ['upgrade', `GET /live HTTP/1.1\r\n${HEAD}`],
    ['connect', 'CONNECT orders:443 HTTP/1.1\r\nHost: orders\r\n\r\n'],
    ['connection', 'GET / HTTP/1.1\r\n\r\n'],
    ['clientError', 'nonsense\r\n\r\n'],
  ])('%s closes the connection, tells the owner, and goes on', async (event, text) => {
    const { log, port } = await start(event)
    await send(port, text)
    await send(port, text)
    const told = log.lines.filter(({ fields }) => fields.kind === 'wrong_event')
    expect(told).toHaveLength(2)
    expect(told[0]).toMatchObject({ level: 'error', fields: { err: expect.any(TypeError) } })
    expect(String(told[0]?.fields.err)).toContain("server.on('request', requireTicket({ service }, handler))")
  })

  it('upgrade closes the connection where the logger fails too', async () => {
    const { port } = await start('upgrade', true)
    await send(port, `GET /live HTTP/1.1\r\n${HEAD}`)
  })

  it('a connection of a WebSocket server is closed', async () => {
    const { server, log, port } = await start('none')
    const service = await loadService({ keytab, service: 'orders', logger: log })
    const gate = hasHandler ? requireTicket({ service }, () => {}) : requireTicket({ service })
    new WebSocketServer({ server }).on('connection', gate as Anything)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    await new Promise(resolve => socket.on('error', () => {}).on('close', resolve))
    expect(log.lines.map(({ fields }) => fields.kind)).toEqual(['wrong_event'])
  })
})

describe('a handler', () => {
  const app = Object.assign(() => {}, { handle: () => {}, use: () => {} })
  it.each<[string, unknown, string]>([
    ['an application of Express', app, 'app.use(requireTicket({ service }))'],
    ['an application of Koa', { callback: () => {}, use: () => {} }, 'orthrus/koa'],
    ['an application of Fastify', { addHook: () => {}, route: () => {} }, 'orthrus/fastify'],
    ['an application of Hono', { fetch: () => {}, use: () => {} }, 'orthrus/fetch-handler'],
    ['a text', 'orders', 'ticket. Put it in front: createServer'],
    ['null', null, 'createServer'],
  ])('that is %s is refused immediately', async (_, handler, advice) => {
    const { service } = await startRealm()
    const wrap = () => requireTicket({ service }, handler as TicketHandler)
    expect(wrap).toThrow(TypeError)
    expect(wrap).toThrow(advice)
  })

  it('that is missing without a next leads to a proved 500, and the log says what to do', async () => {
    const realm = await startRealm({
      listener: ({ service }) => requireTicket({ service }) as Anything as RequestListener,
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.status).toBe(500)
    expectProved(response, request)
    const { err } = realm.log.lines.at(-1)?.fields ?? {}
    expect(String(err)).toContain('createServer(requireTicket({ service }, handler))')
  })
})
