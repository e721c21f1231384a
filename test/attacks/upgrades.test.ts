import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { encodeUpgrade } from '../../cli/proxy/upgrade-head.js'
import { acceptChannels } from '../../service/index.js'
import { SUBPROTOCOL } from '../../shared/constants.js'
import { OVERRIDE_HEADERS } from '../../shared/http/header-names.js'
import { startCallProxy } from '../cli/proxy/call-scene.js'
import { listen, ordersRealm, raw, startScene, statusOf } from '../cli/proxy/scene.js'
import {
  handshake,
  KEY,
  opened,
  rawSocket,
  refusal,
  startWebSockets,
  switching,
  type WebSocketScene,
  webSocketTo,
} from '../cli/proxy/websocket-scene.js'

/** Attacks by way of WebSockets, on either end of a proxy and on the program behind it. */

describe('a WebSocket of a page in a browser on this machine', () => {
  it.each([
    ['of another site', ['Origin: https://evil.example'], 403],
    ['without an origin of its own', ['Origin: null'], 403],
    ['that a page of this machine opens', ['Origin: http://localhost'], 403],
    ['whose name leads to this machine (DNS rebinding)', ['Host: evil.example'], 421],
    ['of a browser that says where it is from', ['Sec-Fetch-Site: cross-site'], 403],
  ])('%s gets nothing', async (_, more, status) => {
    const { called, upgrades } = await startWebSockets()
    const [socket, text] = rawSocket(called.port)
    socket.write(handshake(more))
    await expect.poll(() => statusOf(text())).toBe(status)
    await expect.poll(() => socket.readableEnded).toBe(true)
    expect(upgrades).toEqual([])
  })

  it('nor does another user of the machine', async () => {
    const fault = { status: 403, word: 'user_refused', text: 'not you' }
    const { connect, upgrades } = await startWebSockets({ calling: { faultOf: async () => fault } })
    expect(await refusal(connect())).toMatchObject({ status: 403, word: 'user_refused' })
    expect(upgrades).toEqual([])
  })
})

describe('an upgrade to something else than a WebSocket', () => {
  it.each(['h2c/1.0', 'TLS/1.0', 'websocket, h2c', 'h2c, websocket', 'HTTP/2.0', 'websocket2'])(
    'is refused by name at either end: %s',
    async upgrade => {
      const { called, served, upgrades } = await startWebSockets()
      const bytes = handshake([
        `Upgrade: ${upgrade}`,
        'Connection: Upgrade, HTTP2-Settings',
        'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
      ])
      const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
      const [near, far] = await Promise.all([
        raw(called.port, bytes + smuggled),
        raw(served.port, bytes + smuggled),
      ])
      expect([statusOf(near), statusOf(far)]).toEqual([501, 400])
      expect(near).toContain(`Upgrade: ${upgrade} is not passed on`)
      expect(far).toContain('only that to a WebSocket is answered')
      for (const text of [near, far]) expect(text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
      expect([upgrades, served.seen]).toEqual([[], []])
    },
  )

  it('to HTTP/2 is not had: what asks for it by the way is a request like others, by the same rules', async () => {
    const served = await startScene()
    const h2c = [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
    ]
    const ask = (line: string, more: string[], body = ''): string =>
      `${[line, 'Host: localhost', ...more].join('\r\n')}\r\n\r\n${body}`
    const { port } = await startCallProxy(served.realm, { to: served.url })
    // All on one connection, as a client keeps it.
    const [socket, text] = rawSocket(port)
    const answers = () => text().match(/^HTTP\/1\.1 \d+/gm)
    socket.write(ask('POST /a HTTP/1.1', [...h2c, 'Content-Length: 5'], 'first'))
    await expect.poll(answers).toEqual(['HTTP/1.1 200'])
    socket.write(ask('PUT /b HTTP/1.1', [...h2c, 'Transfer-Encoding: chunked'], '6\r\nsecond\r\n0\r\n\r\n'))
    await expect.poll(answers).toHaveLength(2)
    socket.write(ask('GET /c HTTP/1.1', []))
    await expect.poll(answers).toHaveLength(3)
    socket.write(ask('GET /d HTTP/1.1', [...h2c.slice(1), 'Connection: close, Upgrade, HTTP2-Settings']))
    await expect.poll(() => socket.readableEnded).toBe(true)
    expect(answers()).toEqual(Array.from({ length: 4 }, () => 'HTTP/1.1 200'))
    expect(served.seen.map(({ method, target, body }) => [method, target, body])).toEqual([
      ['POST', '/a', 'first'],
      ['PUT', '/b', 'second'],
      ['GET', '/c', ''],
      ['GET', '/d', ''],
    ])
    expect(
      served.seen.flatMap(({ headers }) => headers.filter(([name]) => /upgrade|http2/i.test(name))),
    ).toEqual([])
    const fault = { status: 403, word: 'user_refused', text: 'not you' }
    const closed = await startCallProxy(served.realm, { to: served.url, faultOf: async () => fault })
    expect(statusOf(await raw(closed.port, ask('GET /e HTTP/1.1', h2c)))).toBe(403)
    expect(statusOf(await raw(port, ask('GET /e HTTP/1.1', [...h2c, 'Origin: http://evil.example'])))).toBe(
      403,
    )
    expect(served.seen).toHaveLength(4)
    expect(statusOf(await raw(served.port, ask('GET /f HTTP/1.1', h2c)))).toBe(400)
  })

  it.each(['h2c', 'websocket'])(
    'is not had behind a request that is not answered yet, whose answer would be in its midst: %s',
    async upgrade => {
      const held: (() => void)[] = []
      const { realm, url, seen } = await startScene({
        program: (_req, res) => held.push(() => res.end('late')),
      })
      const { port } = await startCallProxy(realm, { to: url })
      const [socket, text] = rawSocket(port)
      socket.write(`GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake([`Upgrade: ${upgrade}`])}`)
      await expect.poll(() => socket.readableEnded || socket.destroyed).toBe(true)
      for (const answer of held) answer()
      expect([text(), seen.filter(({ target }) => target !== '/first')]).toEqual(['', []])
    },
  )

  it('is not had behind the second of two requests, once the first is answered', async () => {
    const held: (() => void)[] = []
    const { realm, url, seen } = await startScene({
      program: (req, res) => (req.url === '/slow' ? held.push(() => res.end('slow')) : res.end('fast')),
    })
    const { port } = await startCallProxy(realm, { to: url })
    const [socket, text] = rawSocket(port)
    socket.write(['/fast', '/slow'].map(path => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''))
    await expect.poll(() => [text().includes('fast'), held.length]).toEqual([true, 1])
    socket.write(handshake())
    await expect.poll(() => socket.readableEnded || socket.destroyed).toBe(true)
    for (const answer of held) answer()
    expect([text().match(/HTTP\/1\.1 \d/g)?.length, seen.map(({ target }) => target)]).toEqual([
      1,
      ['/fast', '/slow'],
    ])
  })

  it('nor to a channel of a service, whose answer to an earlier request would be in its midst', async () => {
    const realm = await ordersRealm()
    const service = await realm.loadService('orders')
    const held: (() => void)[] = []
    const server = createServer((_req, res) => held.push(() => res.end('late')))
    const accepted = acceptChannels({ service, server, path: '/live' }, () => {})
    onTestFinished(() => accepted.close())
    const channel = handshake([`Sec-WebSocket-Protocol: ${SUBPROTOCOL}`])
    const [socket, text] = rawSocket(await listen(server))
    socket.write(`GET /first HTTP/1.1\r\nHost: a\r\n\r\n${channel}`)
    await expect.poll(() => socket.readableEnded || socket.destroyed).toBe(true)
    for (const answer of held) answer()
    expect(text()).toBe('')
    // Behind one that is answered it is.
    const [next, said] = rawSocket((server.address() as AddressInfo).port)
    next.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => held.length).toBe(2)
    held[1]?.()
    await expect.poll(said).toContain('late')
    next.write(channel)
    await expect.poll(said).toContain('101 Switching Protocols')
  })

  it('by another method than GET is refused, and with a body too', async () => {
    const { called, upgrades } = await startWebSockets()
    const post = await raw(called.port, handshake([], 'POST /live HTTP/1.1'))
    const smuggling = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const long = await raw(called.port, handshake([`Content-Length: ${smuggling.length}`]) + smuggling)
    const chunked = await raw(
      called.port,
      `${handshake(['Transfer-Encoding: chunked'])}0\r\n\r\n${smuggling}`,
    )
    expect([post, long, chunked].map(statusOf)).toEqual([501, 400, 400])
    for (const text of [post, long, chunked]) expect(text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    expect(upgrades).toEqual([])
  })

  it('is not had by a handshake that fails: no version, another one, no key, two', async () => {
    const { called, upgrades } = await startWebSockets()
    for (const [more, status] of [
      [['Sec-WebSocket-Version:'], 426],
      [['Sec-WebSocket-Version: 777'], 426],
      [['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 13'], 426],
      [['Sec-WebSocket-Key:'], 400],
      [['Sec-WebSocket-Key: short'], 400],
      [[`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Key: ${KEY}`], 400],
    ] as const) {
      const text = await raw(called.port, handshake(more, undefined, 'GET /smuggled HTTP/1.1\r\n\r\n'))
      expect([more, statusOf(text), text.match(/HTTP\/1\.1 \d/g)?.length]).toEqual([more, status, 1])
    }
    expect(upgrades).toEqual([])
  })
})

describe('an upgrade without a ticket, at the proxy in front of a program', () => {
  it('is not passed on, as a WebSocket, as a channel that is never opened, or with an opening of nothing', async () => {
    const { served, upgrades } = await startWebSockets()
    expect(statusOf(await raw(served.port, handshake()))).toBe(400)
    const direct = await refusal(webSocketTo(served.port))
    expect(direct).toMatchObject({ status: 400, word: undefined })
    expect(direct.body).toContain(SUBPROTOCOL)
    const channel = webSocketTo(served.port, '/live', [SUBPROTOCOL])
    await opened(channel)
    for (const bytes of [encodeUpgrade([]), Uint8Array.of(0, 0, 0, 1, 1, 10, 0x90)]) channel.send(bytes)
    await new Promise(resolve => channel.once('close', resolve))
    expect(upgrades).toEqual([])
  })

  it('nor from a page of any origin', async () => {
    const { served, upgrades } = await startWebSockets()
    const page = webSocketTo(served.port, '/live', [SUBPROTOCOL], { origin: 'http://127.0.0.1' })
    expect((await refusal(page)).status).toBe(403)
    expect(upgrades).toEqual([])
  })

  it('nor where a path is open to anybody', async () => {
    const { served, upgrades } = await startWebSockets({ openPaths: new Set(['/live']) })
    expect(statusOf(await raw(served.port, handshake()))).toBe(400)
    expect(upgrades).toEqual([])
  })
})

const HANDSHAKE: [string, string][] = [
  ['Sec-WebSocket-Key', KEY],
  ['Sec-WebSocket-Version', '13'],
]

/** A client with a ticket that says itself what is said over its channel. */
async function withTicket(scene: WebSocketScene, message: Uint8Array | string): Promise<string> {
  const web = await scene.served.realm.connect('web')
  const channel = await web.openChannel(`ws://127.0.0.1:${scene.served.port}/live`, { service: 'orders' })
  await channel.send(message)
  let text = ''
  try {
    for await (const piece of channel) {
      text += Buffer.from(piece).toString()
      if (text.includes('"status":101')) channel.abort()
    }
  } catch (cause) {
    text += ` ${(cause as { code?: string }).code}`
  }
  void channel.end()
  return text
}

describe('a client with a ticket, in its upgrade', () => {
  it('does not say who it is, where it is from, or which page is behind it, in any spelling', async () => {
    const scene = await startWebSockets({
      upgrade: (req, socket) => {
        socket.write(switching(req))
        return true
      },
    })
    const headers = [
      'x-orthrus-client',
      'X-Orthrus-Claims',
      'x_orthrus_client',
      'X-ORTHRUS_VIA',
      'x.orthrus.client',
      'x-orthrus-assertion',
      'x-forwarded-for',
      'Forwarded',
      'x-real-ip',
      'Authorization',
      'orthrus-hand-off',
      'Proxy',
      'Origin',
      'Host',
      'Content-Length',
      'Transfer-Encoding',
      'Upgrade',
      'Connection',
      'Expect',
      'TE',
    ].map((name): [string, string] => [name, 'evil'])
    expect(await withTicket(scene, encodeUpgrade([...HANDSHAKE, ...headers, ['Cookie', 'a=b']]))).toContain(
      '"status":101',
    )
    const { rawHeaders = [] } = scene.upgrades[0] ?? {}
    expect(rawHeaders.filter(value => value === 'evil')).toEqual([])
    expect(rawHeaders.filter((_, i) => i % 2 === 0).map(name => name.toLowerCase())).toEqual([
      'host',
      'sec-websocket-key',
      'sec-websocket-version',
      'cookie',
      'x-orthrus-client',
      'x-orthrus-claims',
      'x-orthrus-ticket-id',
      'connection',
      'upgrade',
      'accept-encoding',
    ])
    expect(scene.header('x-orthrus-client')).toBe('web@test.example')
  })

  it.each<[string, Uint8Array | string]>([
    ['ends a line in a value', encodeUpgrade([...HANDSHAKE, ['a', 'b\r\nx-orthrus-client: admin']])],
    ['ends a line in a name', encodeUpgrade([...HANDSHAKE, ['a: b\r\nx-orthrus-client', 'admin']])],
    ['writes signs of two bytes', encodeUpgrade([...HANDSHAKE, ['a', '\u0d0a\u010dadmin']])],
    ['sends no handshake, and a request', 'GET /smuggled HTTP/1.1\r\n\r\n'],
    ['has a list in place of an object', '[["upgrade","websocket"]]'],
    ['has headers that are none', '{"upgrade":"websocket","headers":[["a"]]}'],
    ['has none', '{"upgrade":"websocket"}'],
    ['asks for h2c', '{"upgrade":"h2c","headers":[]}'],
    ['says nothing', new Uint8Array()],
    ['says more than is read', 'x'.repeat(70_000)],
    [
      'has more headers than are read',
      encodeUpgrade([...HANDSHAKE, ...Array.from({ length: 1_000 }, (): [string, string] => ['a', 'b'])]),
    ],
  ])('%s, and reaches no program', async (_, message) => {
    const scene = await startWebSockets()
    expect(await withTicket(scene, message)).toBe(' channel_broken')
    expect(scene.upgrades).toEqual([])
  })

  it.each<[string, [string, string][], number]>([
    [
      'with another version',
      [
        ['Sec-WebSocket-Key', KEY],
        ['Sec-WebSocket-Version', '8'],
      ],
      426,
    ],
    ['with two keys', [...HANDSHAKE, ['sec-websocket-key', KEY]], 400],
    ['without one', [['Sec-WebSocket-Version', '13']], 400],
  ])('%s, which a server may take in two ways, is refused', async (_, headers, status) => {
    const scene = await startWebSockets()
    expect(await withTicket(scene, encodeUpgrade(headers))).toContain(`{"status":${status}`)
    expect(scene.upgrades).toEqual([])
  })

  it.each(OVERRIDE_HEADERS)(
    'does not ask for another path or method than its ticket lets it, by %s',
    async name => {
      const scene = await startWebSockets()
      const upgrade = encodeUpgrade([...HANDSHAKE, [name.toUpperCase(), '/admin']])
      expect(await withTicket(scene, upgrade)).toContain('{"status":400')
      const refused = await refusal(scene.connect('/live', [], { headers: { [name]: '/admin' } }))
      expect([refused.status, refused.body]).toEqual([
        400,
        expect.stringContaining(`${name} would make another request of it`),
      ])
      expect(scene.upgrades).toEqual([])
    },
  )

  it('has what it sends before the answer given to the program only as what a WebSocket says', async () => {
    const got: string[] = []
    const scene = await startWebSockets({
      upgrade: (_req, socket) => {
        socket.on('data', piece => got.push(String(piece)))
        socket.end('HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n')
        return true
      },
    })
    const [socket, text] = rawSocket(scene.called.port)
    socket.write(handshake([], undefined, 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'))
    await expect.poll(() => statusOf(text())).toBe(403)
    await expect.poll(() => socket.readableEnded).toBe(true)
    expect([got, scene.upgrades.length, scene.served.seen]).toEqual([[], 1, []])
  })
})
