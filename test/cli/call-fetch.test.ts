import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type CallFetch, callFetch } from '../../cli/call-fetch.js'
import type { Realm } from '../../client/index.js'
import { requireTicket } from '../../service/require-ticket.js'
import { SECOND } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'

/** What `orthrus call` sends its request with. Whatever carries it, nothing is taken that is not proved. */

/** Nothing listens there. */
const URL_OF_SERVICE = 'http://127.0.0.1:1/a'

describe('the platform’s fetch is left alone', () => {
  it.each([
    ['a proxy of the environment', { NODE_USE_ENV_PROXY: '1' }, {}],
    ['a proxy by an option of Node', { NODE_OPTIONS: '--no-warnings --use-env-proxy' }, {}],
    ['a dispatcher that was loaded before', {}, { [Symbol.for('undici.globalDispatcher.1')]: {} }],
  ])('where there is %s', (_, env, platform) => {
    const own = callFetch(URL_OF_SERVICE, {}, {})
    expect(own).toBeDefined()
    own?.close()
    expect(callFetch(URL_OF_SERVICE, env, platform)).toBeUndefined()
  })

  it.each(['ftp://service.example/', 'service', ''])('for %j, which realm.fetch refuses', url => {
    expect(callFetch(url, {}, {})).toBeUndefined()
  })
})

interface Seen {
  readonly headers: readonly string[]
  readonly body: string
}

describe('over node:http', () => {
  let testRealm: TestRealm

  beforeAll(async () => {
    testRealm = await startRealm()
    await testRealm.add('web', 'orders')
    await testRealm.allow('web', 'orders')
  })

  afterAll(() => testRealm.close())

  interface Scene {
    readonly url: string
    readonly realm: Realm
    readonly own: CallFetch
    readonly sockets: ReadonlySet<Socket>
  }

  async function scene(listener: RequestListener): Promise<Scene> {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sockets = new Set<Socket>()
    server.on('connection', socket => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const own = callFetch(url, {}, {}) as CallFetch
    const realm = await testRealm.connect('web', { fetch: own.fetch })
    onTestFinished(() => {
      own.close()
      server.closeAllConnections()
      server.close()
    })
    return { url, realm, own, sockets }
  }

  async function protectedScene(seen: Seen[] = []): Promise<Scene> {
    const service = await testRealm.loadService('orders')
    onTestFinished(() => service.close())
    return scene(
      requireTicket({ service }, async (req, res) => {
        let body = ''
        for await (const chunk of req) body += chunk
        seen.push({ headers: req.rawHeaders, body })
        if (req.url === '/moved') return void res.writeHead(302, { location: '/there' }).end()
        res.end(`${req.method} ${req.url}`)
      }),
    )
  }

  const valuesOf = ({ headers }: Seen, name: string) =>
    headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name)

  it('sends method, headers and body, and what every request has unless it says otherwise', async () => {
    const seen: Seen[] = []
    const { url, realm } = await protectedScene(seen)
    const plain = await realm.fetch(`${url}a?b=c`, { service: 'orders' })
    expect([plain.proved, await plain.text()]).toEqual([true, 'GET /a?b=c'])
    const headers = { accept: 'text/plain', 'user-agent': 'mine', 'x-other': 'y' }
    const init = { service: 'orders', method: 'POST', body: 'five!', headers }
    expect(await (await realm.fetch(url, init)).text()).toBe('POST /')
    const [first, second] = seen as [Seen, Seen]
    expect(['accept', 'user-agent'].map(name => valuesOf(first, name))).toEqual([['*/*'], ['orthrus']])
    expect(['accept', 'user-agent'].map(name => valuesOf(second, name))).toEqual([['text/plain'], ['mine']])
    expect([second.body, valuesOf(second, 'content-length'), valuesOf(second, 'x-other')]).toEqual([
      'five!',
      ['5'],
      ['y'],
    ])
  })

  it('follows a redirect within the origin', async () => {
    const { url, realm } = await protectedScene()
    const answer = await realm.fetch(`${url}moved`, { service: 'orders' })
    expect([answer.url, await answer.text()]).toEqual([`${url}there`, 'GET /there'])
  })

  it('gives out no answer that nothing proves, and none that was changed', async () => {
    const plain = await scene((_, res) => res.end('from anybody'))
    await expect(plain.realm.fetch(plain.url, { service: 'orders' })).rejects.toMatchObject({
      code: 'response_unproved',
    })
    const { url, realm } = await protectedScene()
    const between = await scene(async (req, res) => {
      const { authorization = '' } = req.headers
      const answer = await fetch(url, { headers: { authorization } })
      const proof = answer.headers.get('authentication-info') ?? ''
      res.writeHead(200, { 'authentication-info': proof }).end(`${await answer.text()}!`)
    })
    await expect(between.realm.fetch(between.url, { service: 'orders' })).rejects.toMatchObject({
      code: 'response_unproved',
    })
    expect((await realm.fetch(url, { service: 'orders' })).status).toBe(200)
  })

  it.each([
    [
      'a server that ends the connection',
      (socket: Socket) => socket.destroy(),
      /the request may have been handled/,
    ],
    [
      'headers of more than Node takes',
      (socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(70_000)}\r\n\r\n`),
      /headers of the answer are larger/,
    ],
    ['another protocol', (socket: Socket) => socket.end('220 mail.example\r\n'), /does not speak HTTP\/1.1/],
  ])('tells of %s what the platform’s fetch tells', async (_, answer, hint) => {
    const { url, realm } = await scene(req => answer(req.socket))
    await expect(realm.fetch(url, { service: 'orders' })).rejects.toMatchObject({
      code: 'unavailable',
      facts: { hint: expect.stringMatching(hint) },
    })
  })

  it('has connected before there is a ticket, and sends its first request over that connection alone', async () => {
    const [opened, requests]: [Socket[], string[]] = [[], []]
    const service = await testRealm.loadService('orders')
    onTestFinished(() => service.close())
    const { url, realm, own, sockets } = await scene(
      requireTicket({ service }, (req, res) => {
        requests.push(`${req.url} on ${opened.indexOf(req.socket)}`)
        res.end()
      }),
    )
    await expect.poll(() => sockets.size).toBe(1)
    opened.push(...sockets)
    expect(opened[0]?.bytesRead).toBe(0)
    await (await realm.fetch(`${url}a`, { service: 'orders' })).text()
    expect([requests, sockets.size]).toEqual([['/a on 0'], 1])
    own.close()
  })

  it('connects again where that connection is gone before the request, or waited too long for it', async () => {
    const server = createServer((_, res) => res.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    for (const end of ['the server closes it', 'nobody asks'] as const) {
      const clock = createTestClock()
      const accepted = once(server, 'connection') as Promise<[Socket]>
      const own = callFetch(url, {}, {}, clock) as CallFetch
      const [early] = await accepted
      if (end === 'nobody asks') clock.advance(4 * SECOND)
      else early.destroy()
      if (!early.destroyed) await once(early, 'close')
      // The client has read its end by then: the system hands it over at once, and both are in one process.
      for (let turn = 0; turn < 3; turn++) await setImmediate()
      expect((await own.fetch(url, { headers: [] })).status).toBe(200)
      own.close()
    }
  })

  it('keeps no connection once it is closed', async () => {
    const { url, realm, own, sockets } = await protectedScene()
    await (await realm.fetch(url, { service: 'orders' })).text()
    const open = [...sockets]
    const ended = Promise.all(open.map(socket => socket.destroyed || once(socket, 'close')))
    own.close()
    await ended
    expect(sockets.size).toBe(0)
  })
})
