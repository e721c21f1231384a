import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Shares } from '../../../cli/proxy/shares.js'
import { LENGTH_HEADER } from '../../../cli/proxy/told-length.js'
import { passTime, turns } from '../../support/turns.js'
import { raw, type SceneOptions, startScene, statusOf } from './scene.js'

/** A program that knows nothing of tickets, behind `serveProxy`. */

const ORDERS = { service: 'orders' }

async function called(options?: SceneOptions) {
  const scene = await startScene(options)
  const web = await scene.realm.connect('web')
  return { ...scene, web }
}

const outcome = async (response: Response) => [response.status, response.headers.get('orthrus-proxy')]

describe('a program behind a proxy', () => {
  it('learns who asks, with which claims, and answers with a proof', async () => {
    const { web, url, seen, header } = await called()
    const response = await web.fetch(`${url}/orders/7?x=1`, { ...ORDERS, headers: { 'x-request-id': 'r' } })
    expect(response.proved).toBe(true)
    expect(await response.json()).toEqual({ method: 'GET', target: '/orders/7?x=1', body: '' })
    expect(header('x-orthrus-client')).toBe('web@test.example')
    expect(JSON.parse(header('x-orthrus-claims') ?? '')).toEqual({ role: 'reader', team: ['a', 'b'] })
    expect(header('x-orthrus-ticket-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(header('x-orthrus-via')).toBe(undefined)
    expect(header('x-request-id')).toBe('r')
    const names = seen[0]?.headers.map(([name]) => name.toLowerCase()) ?? []
    expect(names.filter(name => /^(?:authorization|orthrus-)/.test(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
  })

  it('learns who presents the ticket of another', async () => {
    const { realm, web, url, header } = await called()
    const ticket = await web.getServiceTicket('orders')
    const credential = ticket.attenuate({ to: 'gate' }).credential()
    const gate = await realm.connect('gate')
    await gate.onBehalf(credential).fetch(`${url}/`, ORDERS)
    expect([header('x-orthrus-client'), header('x-orthrus-via')]).toEqual([
      'web@test.example',
      'gate@test.example',
    ])
  })

  it('gets bodies of any method, plain and sealed, and none where there is none', async () => {
    const { web, url, seen, header } = await called()
    for (const sealed of [false, true]) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const response = await web.fetch(`${url}/`, {
          ...ORDERS,
          method,
          body: `a body of ${method}`,
          sealed,
        })
        expect(await response.json()).toMatchObject({ method, body: `a body of ${method}` })
        expect(header('content-encoding')).toBe(undefined)
        // Many programs read no chunks, so a short body has its length, also where it came sealed.
        expect([header('content-length'), header('transfer-encoding')]).toEqual([
          String(`a body of ${method}`.length),
          undefined,
        ])
        expect(header('content-type')).toBe('text/plain;charset=UTF-8')
      }
      await (await web.fetch(`${url}/`, { ...ORDERS, method: 'POST', sealed })).arrayBuffer()
      expect([header('content-length'), header('transfer-encoding')]).toEqual(['0', undefined])
    }
    const response = await web.fetch(`${url}/`, { ...ORDERS, method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
    expect(seen.at(-1)?.method).toBe('HEAD')
  })

  it('gets the length of a sealed body that the client told and covered, however late the body comes', async () => {
    const { web, url, header } = await called()
    let give = (): void => {}
    const late = new Promise<void>(resolve => {
      give = resolve
    })
    const body = new ReadableStream({
      async pull(controller) {
        await late
        controller.enqueue(Buffer.alloc(100_000, 'x'))
        controller.close()
      },
    })
    const init = { ...ORDERS, method: 'POST', sealed: true, headers: { [LENGTH_HEADER]: '100000' } }
    const asked = web.fetch(`${url}/`, { ...init, cover: [LENGTH_HEADER], body })
    setImmediate(give)
    expect((await asked).status).toBe(200)
    expect(['content-length', 'transfer-encoding'].map(header)).toEqual(['100000', undefined])
    // What is not covered anybody may have written.
    const uncovered = { ...init, headers: { [LENGTH_HEADER]: '3' }, body: Buffer.alloc(100_000, 'x') }
    expect((await web.fetch(`${url}/`, uncovered)).status).toBe(200)
    expect(['content-length', 'transfer-encoding'].map(header)).toEqual([undefined, 'chunked'])
  })

  it('streams both ways, whatever the size, to a client that seals', async () => {
    const { web, url } = await called({
      program: (_req, res, body) => {
        res.setHeader('x-digest', createHash('sha256').update(body).digest('hex'))
        for (let i = 0; i < 64; i++) res.write(Buffer.alloc(64 * 1024, i))
        res.end()
      },
      maxResponse: 1_000,
      maxBody: 1_000,
    })
    const body = Buffer.alloc(3_000_000, 'x')
    const response = await web.fetch(`${url}/`, { ...ORDERS, method: 'PUT', body, sealed: true })
    expect(response.headers.get('x-digest')).toBe(createHash('sha256').update(body).digest('hex'))
    const bytes = new Uint8Array(await response.arrayBuffer())
    expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([4 * 1024 * 1024, 0, 63])
  })

  it('is heard piece by piece, the head before the first', async () => {
    let send = (_piece: string): void => {}
    const { web, url } = await called({
      program: (_req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        send = piece => (piece === '' ? res.end() : res.write(piece))
      },
    })
    const response = await web.fetch(`${url}/`, { ...ORDERS, sealed: true })
    const reader = response.body?.getReader()
    for (const piece of ['one', 'two']) {
      send(piece)
      expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(piece)
    }
    send('')
    expect((await reader?.read())?.done).toBe(true)
  })

  it('keeps its statuses, its cookies, and its redirects, which lead to the service', async () => {
    // Of each a browser makes a host, if it is not told that it is a path.
    const paths = ['//other.example/', '/\\other.example/', '/\t/other.example/', '/\t\t\\other.example/']
    const lost = [...paths, '/a//b', '?a', '']
    const { web, url } = await called({
      program: (req, res) => {
        res.setHeader('set-cookie', ['a=1', 'b=2'])
        if (req.url === '/old')
          res.writeHead(302, { location: `http://${req.headers.host}/new?a=1` }).end('moved')
        else if (req.url?.startsWith('/to/'))
          res.writeHead(302, { location: `http://${req.headers.host}${lost.shift()}` }).end()
        else res.writeHead(Number(req.url?.slice(1))).end()
      },
    })
    for (const status of [204, 205, 304, 404, 500, 599]) {
      const response = await web.fetch(`${url}/${status}`, ORDERS)
      expect([response.status, response.headers.getSetCookie()]).toEqual([status, ['a=1', 'b=2']])
    }
    const moved = await web.fetch(`${url}/old`, { ...ORDERS, redirect: 'manual' })
    expect([moved.status, moved.headers.get('location')]).toEqual([302, '/new?a=1'])
    for (const expected of [...paths.map(path => `/.${path}`), '/a//b', '/?a', '/']) {
      const { headers } = await web.fetch(`${url}/to/`, { ...ORDERS, redirect: 'manual' })
      const location = headers.get('location') ?? ''
      expect([location, new URL(location, url).origin]).toEqual([expected, url])
    }
  })

  it('is asked nothing without a ticket, nor with one that lacks the claim or comes twice', async () => {
    const { realm, web, url, port, seen } = await called({ claims: { role: 'reader' } })
    expect((await fetch(`${url}/`)).status).toBe(401)
    expect(
      statusOf(
        await raw(
          port,
          'GET / HTTP/1.1\r\nHost: a\r\nX-Orthrus-Client: web@test.example\r\nConnection: close\r\n\r\n',
        ),
      ),
    ).toBe(401)
    const gate = await realm.connect('gate')
    await expect(gate.fetch(`${url}/`, ORDERS)).rejects.toMatchObject({ code: 'not_authorized' })
    const stranger = await realm.connect('stranger')
    await expect(stranger.fetch(`${url}/`, ORDERS)).rejects.toMatchObject({ code: 'policy_denied' })
    expect(seen).toEqual([])
    await web.fetch(`${url}/`, ORDERS)
    expect(seen).toHaveLength(1)
  })

  it('heeds the caveats of policy on methods and paths', async () => {
    const { realm, url, seen } = await called()
    await realm.add('narrow')
    await realm.allow('narrow', 'orders', { methods: ['GET'], paths: ['/orders'] })
    const narrow = await realm.connect('narrow')
    for (const [method, path] of [
      ['POST', '/orders'],
      ['GET', '/admin'],
      ['GET', '/orders/../admin'],
    ] as const)
      await expect(narrow.fetch(`${url}${path}`, { ...ORDERS, method })).rejects.toMatchObject({
        code: 'caveat_failed',
      })
    expect(seen).toEqual([])
    expect((await narrow.fetch(`${url}/orders/1`, ORDERS)).status).toBe(200)
  })

  it('is open without a ticket only where that was asked for by name, and then nobody is somebody', async () => {
    const { url, port, seen, header } = await called({ openPaths: new Set(['/healthz']) })
    for (const path of [
      '/healthz/',
      '/healthz/../orders',
      '/HEALTHZ',
      '/healthz%2f',
      '//healthz',
      '/orders?/healthz',
    ])
      expect([
        path,
        statusOf(await raw(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)),
      ]).toEqual([path, 401])
    expect((await fetch(`${url}/healthz`, { method: 'POST' })).status).toBe(401)
    expect((await fetch(`${url}/healthz`, { headers: { authorization: 'Orthrus x' } })).status).toBe(400)
    expect(statusOf(await raw(port, 'GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'))).toBe(
      400,
    )
    expect(seen).toEqual([])
    const response = await fetch(`${url}/healthz?deep`, {
      headers: { 'x-orthrus-client': 'web@test.example' },
    })
    expect([response.status, response.headers.get('authentication-info')]).toEqual([200, null])
    expect([seen.length, header('x-orthrus-client'), header('x-orthrus-claims')]).toEqual([
      1,
      undefined,
      undefined,
    ])
  })
})

describe('a program that fails is reported with a proof', () => {
  it('when nothing listens there', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    const { web, url, logger } = await called({ to: `http://127.0.0.1:${port}` })
    for (const sealed of [false, true]) {
      const response = await web.fetch(`${url}/`, { ...ORDERS, method: 'POST', body: 'x', sealed })
      expect([response.proved, ...(await outcome(response))]).toEqual([true, 502, 'upstream_unreachable'])
      expect(await response.text()).toBe(
        'orthrus proxy: the program behind it cannot be reached; nothing was sent to it\n',
      )
    }
    expect(logger.lines.filter(({ message }) => message === 'the program behind failed')).toHaveLength(2)
  })

  it.each([
    ['ends without an answer', '', 'upstream_broken'],
    ['speaks something else', 'SSH-2.0-x\r\n', 'upstream_broken'],
    [
      'answers with a status that there is not',
      'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n',
      'upstream_wrong',
    ],
    [
      'compresses unasked',
      'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx',
      'upstream_wrong',
    ],
    [
      'says two types',
      'HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-type: c/d\r\ncontent-length: 1\r\n\r\nx',
      'upstream_wrong',
    ],
    [
      'changes the protocol unasked',
      'HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
      'upstream_wrong',
    ],
    ['breaks off', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', 'upstream_broken'],
    [
      'frames in two ways',
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'upstream_broken',
    ],
    ['has endless headers', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, 'upstream_broken'],
  ])('when it %s', async (_, answer, word) => {
    const server = createTcpServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { web, url } = await called({ to: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const response = await web.fetch(`${url}/`, { ...ORDERS, method: 'POST' })
    expect([response.proved, ...(await outcome(response))]).toEqual([true, 502, word])
    expect(await response.text()).toContain('the request may have been handled')
  })

  it('when it is silent for too long, before or amidst its answer', async () => {
    const waiting: (() => void)[] = []
    const { web, url, realm } = await called({
      patience: 30_000,
      program: (req, res) => {
        if (req.url === '/half') res.writeHead(200).write('half')
        waiting.shift()?.()
      },
    })
    for (const [path, sealed] of [
      ['/', false],
      ['/', true],
      ['/half', false],
    ] as const) {
      const asked = new Promise<void>(resolve => waiting.push(resolve))
      const answer = web.fetch(`${url}${path}`, { ...ORDERS, sealed })
      await asked
      await new Promise(resolve => setImmediate(resolve))
      // What it has sent so far may still be on its way here, and begins the wait again.
      const tick = setInterval(() => realm.clock.advance(30_000), 20)
      const response = await answer.finally(() => clearInterval(tick))
      expect([path, response.proved, ...(await outcome(response))]).toEqual([
        path,
        true,
        504,
        'upstream_timeout',
      ])
    }
  })

  it('in the midst of a stream, as a stream without its end', async () => {
    const { web, url } = await called({
      program: (_req, res) => {
        res.writeHead(200).write('half')
        setImmediate(() => res.destroy())
      },
    })
    const response = await web.fetch(`${url}/`, { ...ORDERS, sealed: true })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toMatchObject({ code: 'channel_broken' })
  })

  it('when it answers without an end to a client that takes whole answers', async () => {
    let isStopped = false
    const { web, url } = await called({
      maxResponse: 100_000,
      program: (_req, res) => {
        res.on('close', () => {
          isStopped = true
        })
        const more = (): void => {
          while (!res.destroyed && res.write(Buffer.alloc(16_384)));
        }
        res.on('drain', more)
        more()
      },
    })
    const response = await web.fetch(`${url}/`, ORDERS)
    expect([response.proved, ...(await outcome(response))]).toEqual([true, 502, 'upstream_too_large'])
    await expect.poll(() => isStopped).toBe(true)
  })

  it('when too many wait for it, and goes on when they have gone', async () => {
    const held: (() => void)[] = []
    const { web, url } = await called({
      connections: 1,
      waiting: 1,
      program: (_req, res) => held.push(() => res.end('done')),
    })
    const first = web.fetch(`${url}/1`, ORDERS)
    await expect.poll(() => held.length).toBe(1)
    const second = web.fetch(`${url}/2`, ORDERS)
    let third = await web.fetch(`${url}/3`, ORDERS)
    while (third.status === 200) third = await web.fetch(`${url}/3`, ORDERS)
    expect([...(await outcome(third)), third.headers.get('retry-after')]).toEqual([503, 'upstream_busy', '1'])
    held.shift()?.()
    expect(await (await first).text()).toBe('done')
    await expect.poll(() => held.length).toBe(1)
    held.shift()?.()
    expect(await (await second).text()).toBe('done')
  })

  it('when one client asks for more than its share, while others are answered', async () => {
    const held: (() => void)[] = []
    const { web, url, realm } = await called({
      connections: 4,
      shares: new Shares(2, 1),
      program: (req, res) => {
        if (req.url === '/gate') res.end('other')
        else held.push(() => res.end('done'))
      },
    })
    const taken = [web.fetch(`${url}/1`, ORDERS), web.fetch(`${url}/2`, ORDERS)]
    await expect.poll(() => held.length).toBe(2)
    // One of these waits, and the other is one too many.
    const more = ['/3', '/4'].map(path => web.fetch(`${url}${path}`, ORDERS))
    const refused = await Promise.race(more)
    expect([refused.proved, ...(await outcome(refused)), refused.headers.get('retry-after')]).toEqual([
      true,
      429,
      'client_busy',
      '1',
    ])
    const gate = await realm.connect('gate')
    expect(await (await gate.fetch(`${url}/gate`, ORDERS)).text()).toBe('other')
    expect(held.length).toBe(2)
    held.shift()?.()
    await expect.poll(() => held.length).toBe(2)
    for (const go of held) go()
    const statuses = (await Promise.all([...taken, ...more])).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 200, 200, 429])
  })

  it('but not when it closed a connection that was kept, just when it was used again', async () => {
    let connections = 0
    const server = createTcpServer(socket => {
      connections++
      let asked = 0
      socket.on('error', () => {})
      socket.on('data', () => {
        // The second request on one connection meets its end.
        if (++asked === 2) socket.resetAndDestroy()
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { web, url } = await called({ to: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    for (const method of ['GET', 'GET', 'GET']) {
      expect((await web.fetch(`${url}/`, { ...ORDERS, method })).status).toBe(200)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(connections).toBe(3)
    // What may have been handled is not sent a second time.
    const response = await web.fetch(`${url}/`, { ...ORDERS, method: 'POST' })
    expect(await outcome(response)).toEqual([502, 'upstream_broken'])
  })

  it('and an answer before the body was read is the answer', async () => {
    const { web, url } = await called({
      to: await earlyServer(),
    })
    const endless = new ReadableStream({
      pull: controller => controller.enqueue(Buffer.alloc(64 * 1024)),
    })
    const response = await web.fetch(`${url}/`, { ...ORDERS, method: 'PUT', body: endless, sealed: true })
    expect([response.proved, response.status, await response.text()]).toEqual([true, 413, 'too much'])
  })
})

/** Answers as soon as it has the head, and reads nothing more. */
async function earlyServer(): Promise<string> {
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.pause()
      socket.write('HTTP/1.1 413 No\r\ncontent-length: 8\r\n\r\ntoo much')
    })
    onTestFinished(() => void socket.destroy())
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Takes all that it gets, and answers nothing. */
async function deafServer(onClose: () => void): Promise<string> {
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    socket.on('close', onClose)
    socket.resume()
    onTestFinished(() => void socket.destroy())
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a client that moves nothing for too long', () => {
  it('and reads no more of a stream is cut off, also from the program', async () => {
    let isOver = false
    const { web, url, realm, logger } = await called({
      clientPatience: 30_000,
      program: (_req, res) => {
        res.on('close', () => {
          isOver = true
        })
        const more = (): void => {
          while (!res.destroyed && res.write(Buffer.alloc(65_536)));
        }
        res.on('drain', more)
        more()
      },
    })
    const response = await web.fetch(`${url}/`, { ...ORDERS, sealed: true })
    // Until what lies between the two is full, something moves.
    while (!isOver) {
      await turns(10)
      realm.clock.advance(5_000)
    }
    expect(logger.lines.at(-1)?.fields).toMatchObject({
      client: 'web@test.example',
      status: 408,
      reason: 'the client neither sends nor takes anything',
    })
    await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'channel_broken' })
  })

  it('and sends no more of its body is told so with a proof, and the program is asked no longer', async () => {
    let hasLost = false
    const lost = (): void => {
      hasLost = true
    }
    const { web, url, realm } = await called({ clientPatience: 30_000, to: await deafServer(lost) })
    let push: (piece: Uint8Array) => void = () => {}
    const body = new ReadableStream<Uint8Array>({
      start: controller => {
        push = piece => controller.enqueue(piece)
      },
    })
    push(Buffer.alloc(40_000))
    const answer = web.fetch(`${url}/`, { ...ORDERS, method: 'POST', body, sealed: true })
    const response = await passTime(realm.clock, answer, 5_000)
    expect([response.proved, ...(await outcome(response))]).toEqual([true, 408, 'client_timeout'])
    await expect.poll(() => hasLost).toBe(true)
  })
})

it('ends what a client gave up, also at the program', async () => {
  let isGone = false
  const asked: (() => void)[] = []
  const { web, url } = await called({
    program: (_req, res) => {
      res.on('close', () => {
        isGone = true
      })
      asked.shift()?.()
    },
  })
  const reached = new Promise<void>(resolve => asked.push(resolve))
  const giving = new AbortController()
  const answer = web.fetch(`${url}/`, { ...ORDERS, signal: giving.signal })
  await reached
  giving.abort()
  await expect(answer).rejects.toThrow()
  await expect.poll(() => isGone).toBe(true)
})
