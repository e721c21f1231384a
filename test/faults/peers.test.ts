import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { requireTicket } from '../../service/require-ticket.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { SECOND } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { startRealm, type TestClock, type TestRealm } from '../../testing/index.js'
import { startOwnKdc } from '../support/own-kdc.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { failureOf } from '../support/world.js'
import { openSocket } from './raw-socket.js'

/** Peers that are slow, send half of what they should, or are gone without notice: the other side goes on. */

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** Until what the platform is about to do has been done. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise(resolve => setTimeout(resolve, 2))
}

/** Lets time pass until the promise is settled. @returns how much it took, milliseconds, to the next 500 */
async function timeOf(promise: Promise<unknown>, clock: TestClock): Promise<number> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  const began = clock.monotonic()
  for (let quiet = 0; !settled; quiet++) {
    await new Promise(resolve => setTimeout(resolve, 2))
    if (quiet % 10 === 9) clock.advance(100)
  }
  return clock.monotonic() - began
}

/** Asks until there is a ticket: what is refused meanwhile can only be that the KDC was not reached. */
async function untilGranted(web: Realm): Promise<{ readonly service: string }> {
  for (;;) {
    try {
      return await web.getServiceTicket('orders')
    } catch (cause) {
      expect(cause).toMatchObject({ code: 'unavailable', final: false })
      await nextTurn()
    }
  }
}

const nextTurn = () => new Promise(resolve => setTimeout(resolve, 2))

async function scene(): Promise<{ realm: TestRealm; proxy: TcpProxy; connectBehind: () => Promise<Realm> }> {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders', 'stock')
  await realm.allow('web', '*')
  const proxy = await TcpProxy.start(realm.kdc.address.port)
  const kdc = `ws://127.0.0.1:${proxy.port}`
  return { realm, proxy, connectBehind: () => realm.connect('web', { kdc }) }
}

describe('a KDC', () => {
  it('that accepts connections and says nothing is given up after 5 s, and the connection with it', async () => {
    const { realm } = await scene()
    const sockets = new Set<Socket>()
    const silent = createTcpServer(socket => {
      sockets.add(socket)
      socket
        .resume()
        .on('error', () => {})
        .on('close', () => sockets.delete(socket))
    })
    onTestFinished(() => void silent.close())
    const connecting = realm.connect('web', { kdc: `ws://127.0.0.1:${await listen(silent)}` })
    const failure = failureOf(connecting)
    await until(() => sockets.size === 1)
    expect(await timeOf(failure, realm.clock)).toBeLessThanOrEqual(5_500)
    expect(await failure).toMatchObject({ code: 'unavailable', final: false })
    await until(() => sockets.size === 0)
    const other = await realm.connect('web')
    expect((await other.getServiceTicket('orders')).service).toBe('orders@test.example')
  })

  it('that takes a question and says nothing is asked a second time, given up after 3 s, and found again', async () => {
    const { realm, proxy, connectBehind } = await scene()
    const web = await connectBehind()
    proxy.mode = 'lose'
    const failure = failureOf(web.getServiceTicket('orders'))
    expect(await timeOf(failure, realm.clock)).toBeLessThanOrEqual(3_500)
    expect(await failure).toMatchObject({ code: 'unavailable', final: false })
    proxy.mode = 'pass'
    // The connection that was tried meanwhile is given up after 5 s; until then no caller waits longer than a second.
    const found = untilGranted(web)
    expect(await timeOf(found, realm.clock)).toBeLessThanOrEqual(6_500)
    expect((await found).service).toBe('orders@test.example')
    // If the other side does not agree, ending a connection that was given up takes a second of the platform's time.
    await until(() => proxy.connections.open === 1)
  })

  it('that stops in the middle of an answer is asked again over another connection', async () => {
    const { realm, proxy, connectBehind } = await scene()
    const web = await connectBehind()
    proxy.left = 40
    const ticket = web.getServiceTicket('orders')
    await until(() => proxy.left === 0)
    proxy.left = Number.POSITIVE_INFINITY
    expect(await timeOf(ticket, realm.clock)).toBeLessThanOrEqual(5_500)
    expect((await ticket).service).toBe('orders@test.example')
  })

  it('that answers one byte at a time is waited for, while others are served', async () => {
    const { realm, proxy, connectBehind } = await scene()
    proxy.mode = 'drip'
    const web = await connectBehind()
    const slow = web.getServiceTicket('orders')
    const other = await realm.connect('web')
    expect((await other.getServiceTicket('orders')).service).toBe('orders@test.example')
    expect((await slow).service).toBe('orders@test.example')
  })

  it('that is gone without a word costs its clients 5 s once, and no error', async () => {
    const { realm, proxy, connectBehind } = await scene()
    const web = await connectBehind()
    await web.getServiceTicket('orders')
    proxy.abandon()
    const ticket = web.getServiceTicket('stock')
    expect(await timeOf(ticket, realm.clock)).toBeLessThanOrEqual(5_500)
    expect((await ticket).service).toBe('stock@test.example')
    const next = web.getServiceTicket('kdc')
    expect(await timeOf(next, realm.clock)).toBeLessThan(SECOND)
  })

  it('cuts a peer that sends half a frame and stays, while others are served', async () => {
    const own = await startOwnKdc({ limits: { ping: 100 } })
    const entry = await own.add('web')
    const half = await openSocket(own.kdc.address.port)
    const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13'
    const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: orthrus.v1'
    half.socket.write(`GET / HTTP/1.1\r\nHost: kdc\r\n${upgrade}\r\n${key}\r\n\r\n`)
    await until(() => own.kdc.connections === 1)
    half.socket.write(Uint8Array.of(0x82, 0x80 | 100, 0, 0, 0, 0, 1, 2, 3))
    const { clock, kdc } = own
    const keytab = { text: formatKeytab([entry]) }
    const web = await connect({ kdc: kdc.url, keytab, clock, timers: clock })
    onTestFinished(() => web.close())
    expect((await web.getServiceTicket('kdc')).service).toBe('kdc@test.example')
    clock.advance(100)
    expect((await web.getServiceTicket('kdc', { lifetime: SECOND })).service).toBe('kdc@test.example')
    clock.advance(100)
    await half.ended
    await until(() => own.kdc.connections <= 1)
    expect((await web.getServiceTicket('kdc', { lifetime: 2 * SECOND })).service).toBe('kdc@test.example')
  })
})

/** A service `orders` behind a proxy, and how much of its own is still waiting. */
async function service() {
  const { realm } = await scene()
  const waiting = new Set<unknown>()
  const timers: Timers = {
    setTimeout(run, milliseconds) {
      const timer = realm.clock.setTimeout(() => {
        waiting.delete(timer)
        run()
      }, milliseconds)
      waiting.add(timer)
      return timer
    },
    clearTimeout(timer) {
      waiting.delete(timer)
      realm.clock.clearTimeout(timer)
    },
  }
  const handled: string[] = []
  const guarded = requireTicket(
    { service: await realm.loadService('orders', { timers }) },
    (req, res, { client }) => {
      handled.push(`${req.method} ${req.url} of ${client}`)
      res.end('x'.repeat(1_000))
    },
  )
  const server = createServer(guarded)
  const port = await listen(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const proxy = await TcpProxy.start(port)
  const web = await realm.connect('web')
  const fetchAt = (at: number, path: string, init: RequestInit = {}): Promise<Response> =>
    web.fetch(`http://127.0.0.1:${at}${path}`, { service: 'orders', ...init })
  expect((await fetchAt(port, '/first')).status).toBe(200)
  return { realm, proxy, port, handled, waiting, server, fetchAt }
}

describe('a service', () => {
  it.each([
    ['says nothing', 0],
    ['sends half a head', 60],
    ['sends its head and no body', 500],
    ['sends half of its body', 1_000],
  ])('that %s is waited for as long as the caller likes, while others are served', async (_, bytes) => {
    const { proxy, port, handled, fetchAt } = await service()
    proxy.left = bytes
    const caller = new AbortController()
    const failure = failureOf(fetchAt(proxy.port, '/slow', { method: 'POST', signal: caller.signal }))
    await until(() => handled.length === 2 && proxy.left <= 0)
    expect((await fetchAt(port, '/other', { method: 'POST' })).status).toBe(200)
    caller.abort(new Error('enough'))
    expect(await failure).toEqual(new Error('enough'))
    await until(() => proxy.connections.ended === 1)
    expect(handled).toHaveLength(3)
  })

  it('that is gone in the middle of its body is reported as that, not as a refusal, and nothing is sent again', async () => {
    const { proxy, handled, fetchAt } = await service()
    proxy.left = 1_000
    const failure = failureOf(fetchAt(proxy.port, '/lost'))
    await until(() => handled.length === 2 && proxy.left <= 0)
    proxy.breakUp()
    expect(await failure).toMatchObject({ code: 'unavailable', final: false })
    expect(String(await failure)).toContain('may have been handled')
    expect(handled).toHaveLength(2)
  })

  it('serves others beside peers that send half a request and stay, and disconnects those in time', async () => {
    const { realm, proxy, port, handled, waiting, server, fetchAt } = await service()
    proxy.mode = 'lose'
    const caller = new AbortController()
    const body = 'y'.repeat(10_000)
    const posts = Array.from({ length: 20 }, (_, i) => {
      return failureOf(fetchAt(proxy.port, `/half/${i}`, { method: 'POST', body, signal: caller.signal }))
    })
    await until(() => proxy.received.length > 20 * body.length)
    caller.abort()
    await Promise.all(posts)
    const heads = proxy.received.split(/(?=POST \/half)/).filter(text => text.startsWith('POST'))
    const peers = await Promise.all(
      heads.map(async (text, i) => {
        const peer = await openSocket(port)
        peer.socket.write(text.slice(0, i % 2 === 0 ? text.length - 5_000 : 30))
        return peer
      }),
    )
    await until(() => waiting.size === 10)
    expect((await fetchAt(port, '/other', { method: 'POST', body: 'whole' })).status).toBe(200)
    realm.clock.advance(60 * SECOND)
    await until(() => peers.filter(({ text }) => text().includes('error="binding_mismatch"')).length === 10)
    // The rest of their data is waited for, but not for long.
    realm.clock.advance(2 * SECOND)
    await Promise.all(peers.filter((_, i) => i % 2 === 0).map(({ ended }) => ended))
    expect(waiting.size).toBe(0)
    for (const { socket } of peers) socket.destroy()
    let open = -1
    await until(() => {
      server.closeIdleConnections()
      server.getConnections((_, count) => {
        open = count
      })
      return open === 0
    })
    expect(handled).toEqual(['GET /first of web@test.example', 'POST /other of web@test.example'])
  })
})
