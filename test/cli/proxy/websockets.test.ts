import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { WebSocket } from 'ws'
import { acceptChannels } from '../../../service/index.js'
import { MINUTE } from '../../../shared/time.js'
import { passTime } from '../../support/turns.js'
import { startCallProxy } from './call-scene.js'
import { listen, ordersRealm } from './scene.js'
import {
  closed,
  handshake,
  opened,
  rawSocket,
  refusal,
  startWebSockets,
  switching,
  type WebSocketSceneOptions,
  webSocketTo,
} from './websocket-scene.js'

/** WebSockets between a client and a server that know nothing of tickets, through both ends of a proxy. */

describe('a WebSocket through a proxy', () => {
  it('carries messages of any size both ways, in order, and its end with its code', async () => {
    const { connect, sockets, header, upgrades } = await startWebSockets()
    const client = connect('/live/7?x=%20', ['chat', 'other'])
    await opened(client)
    expect(upgrades[0]?.url).toBe('/live/7?x=%20')
    expect([client.protocol, client.extensions]).toEqual([
      'chat',
      expect.stringContaining('permessage-deflate'),
    ])
    expect(['x-orthrus-client', 'x-orthrus-claims', 'sec-websocket-protocol', 'host'].map(header)).toEqual([
      'web@test.example',
      '{"role":"reader","team":["a","b"]}',
      'chat,other',
      expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    ])
    const got: number[] = []
    client.on('message', data => got.push((data as Buffer).length))
    const sizes = [1, 200, 70_000, 1_000_000, 3]
    for (const size of sizes) client.send(Buffer.alloc(size, size))
    await expect.poll(() => got).toEqual(sizes)
    const code = closed(client)
    sockets[0]?.close(4321, 'enough')
    expect(await code).toBe(4321)
  })

  it('takes what comes with the handshake, on either side', async () => {
    const { served, called } = await startWebSockets({
      upgrade: (req, socket) => {
        socket.write(`${switching(req, 'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n')}first`)
        socket.on('data', piece => socket.write(piece))
        return true
      },
    })
    const [socket, text] = rawSocket(called.port)
    socket.write(handshake([], undefined, 'early'))
    await expect
      .poll(text)
      .toMatch(/^HTTP\/1\.1 101 .*set-cookie: a=1\r\nset-cookie: b=2\r\n.*\r\n\r\nfirstearly$/is)
    expect(text().match(/^(?:connection|upgrade): /gim)).toHaveLength(2)
    expect(served.logger.lines.map(({ message }) => message)).toContain('a WebSocket was opened')
  })

  it('passes an end of either direction on by itself', async () => {
    const { called } = await startWebSockets({
      upgrade: (req, socket) => {
        socket.write(switching(req))
        let got = ''
        socket.on('data', piece => {
          got += String(piece)
        })
        socket.on('end', () => socket.end(`all of ${got}`))
        return true
      },
    })
    const [socket, text] = rawSocket(called.port)
    socket.write(handshake())
    await expect.poll(text).toContain('\r\n\r\n')
    socket.end('mine')
    await once(socket, 'close')
    expect(text()).toMatch(/all of mine$/)
  })

  it('is slowed down by a reader that is slow', async () => {
    const { connect, sockets } = await startWebSockets()
    const client = connect('/live', [], { perMessageDeflate: false })
    await opened(client)
    client.pause()
    const piece = Buffer.alloc(1_000_000)
    for (let i = 0; i < 24; i++) sockets[0]?.send(piece)
    await expect.poll(() => sockets[0]?.bufferedAmount ?? 0).toBeGreaterThan(1_000_000)
    let got = 0
    client.on('message', data => {
      got += (data as Buffer).length
    })
    client.resume()
    await expect.poll(() => got).toBe(24_000_000)
  })

  it('is one of Python too, by its standard library alone', async () => {
    const { called } = await startWebSockets()
    const child = spawn('python3', ['-c', PYTHON, String(called.port)], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', piece => {
      out += String(piece)
    })
    child.stderr.on('data', piece => {
      err += String(piece)
    })
    const code = await new Promise<number | string>(resolve => {
      child.on('close', code => resolve(code ?? 1))
      child.on('error', cause => resolve((cause as NodeJS.ErrnoException).code ?? '?'))
    })
    // Where there is no Python, nothing is shown.
    if (code !== 'ENOENT') expect([code, err, out]).toEqual([0, '', '101 hello from python\n'])
  })
})

describe('a WebSocket ends', () => {
  it('at once where its client is revoked', async () => {
    const { connect, sockets, served } = await startWebSockets({ follows: true })
    const client = connect()
    await opened(client)
    const codes = [closed(client), closed(sockets[0] as WebSocket)]
    await served.realm.administration.revocations.client('web@test.example' as never)
    expect(await Promise.all(codes)).toEqual([1006, 1006])
  })

  it('with its ticket', async () => {
    const { connect, sockets, served } = await startWebSockets()
    const client = connect()
    await opened(client)
    const codes = [closed(client), closed(sockets[0] as WebSocket)]
    served.realm.clock.advance(70 * MINUTE)
    expect(await Promise.all(codes)).toEqual([1006, 1006])
  })

  it.each(['served', 'called'] as const)('with the %s end, which first lets it end by itself', async end => {
    const scene = await startWebSockets()
    const [one, two] = [scene.connect(), scene.connect()]
    await Promise.all([opened(one), opened(two)])
    const over = scene[end].upgrades.close(10_000)
    one.close(1000)
    expect(await closed(one)).toBe(1000)
    two.send('still there')
    await new Promise(resolve => two.once('message', resolve))
    const cut = closed(two)
    scene.served.realm.clock.advance(10_000)
    expect(await cut).toBe(1006)
    await over
    await expect(opened(scene.connect())).rejects.toThrow(/hang up|ECONNRESET|503/)
  })

  it('where the program, the client, or either proxy goes', async () => {
    const { connect, sockets, served } = await startWebSockets()
    const [one, two, three] = [connect(), connect(), connect()]
    await Promise.all([one, two, three].map(opened))
    const gone = closed(one)
    for (const socket of sockets.slice(0, 1)) socket.terminate()
    await Promise.race([gone, closed(two), closed(three)])
    const behind = sockets.slice(1).map(closed)
    two.terminate()
    expect(await Promise.race(behind)).toBe(1006)
    const last = closed(three)
    await served.service.close()
    expect(await last).toBe(1006)
  })
})

describe('a WebSocket that is not opened is refused with a proof', () => {
  it('by the program, in its own words', async () => {
    const { connect, header } = await startWebSockets({
      upgrade: (_req, socket) => {
        socket.end(
          'HTTP/1.1 401 Unauthorized\r\nContent-Type: text/x\r\nX-Why: because\r\nContent-Length: 8\r\n\r\nnot you!',
        )
        return true
      },
    })
    expect(await refusal(connect())).toEqual({ status: 401, word: undefined, body: 'not you!' })
    expect(header('x-orthrus-client')).toBe('web@test.example')
  })

  it.each<[string, Partial<WebSocketSceneOptions> & { answer?: string }, number, string]>([
    ['where nothing listens', { to: 'http://127.0.0.1:1' }, 502, 'cannot be reached'],
    ['where the program breaks off', { answer: 'HTTP/1.1 4' }, 502, 'broke off without an answer'],
    [
      'where the program breaks off in the midst of its refusal',
      { answer: 'HTTP/1.1 400 no\r\nContent-Length: 9\r\n\r\npart' },
      502,
      'broke off without an answer',
    ],
    [
      'where the program answers another handshake',
      {
        answer:
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n',
      },
      502,
      'not into the WebSocket',
    ],
    [
      'where the program changes to something else',
      { answer: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n' },
      502,
      'not into the WebSocket',
    ],
    [
      'where the refusal is endless',
      { answer: `HTTP/1.1 400 no\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}` },
      502,
      'larger than 65536 bytes',
    ],
  ])('%s', async (_, { answer, ...options }, status, text) => {
    const { connect, served } = await startWebSockets({
      ...(answer === undefined
        ? {}
        : {
            upgrade: (_req, socket) => {
              socket.end(answer)
              return true
            },
          }),
      ...options,
    })
    const refused = await refusal(connect())
    expect(refused).toEqual({
      status,
      // It is the answer of the other end, and not one of this one.
      word: undefined,
      body: expect.stringMatching(new RegExp(`^orthrus proxy: .*${text}.*\n$`)),
    })
    expect(served.logger.lines.some(({ message }) => message === 'a WebSocket was not opened')).toBe(true)
  })

  it('where the program is silent for too long', async () => {
    const { connect, served, upgrades } = await startWebSockets({
      upgrade: () => true,
      patience: 10_000,
      calling: { patience: 40_000 },
    })
    const refused = refusal(connect())
    await expect.poll(() => upgrades.length).toBe(1)
    served.realm.clock.advance(11_000)
    expect(await refused).toMatchObject({ status: 504, body: expect.stringContaining('no sign for 10 s') })
  })

  it.each([
    ['whom no rule lets', 'stranger', {}, 'policy_denied'],
    ['who lacks a claim', 'gate', { claims: { role: 'reader' } }, 'not_authorized'],
  ])('to a client %s', async (_, as, serving, word) => {
    const { connect, upgrades } = await startWebSockets({ ...serving, calling: { as } })
    const refused = await refusal(connect())
    expect([refused.status, refused.word]).toEqual([403, word])
    expect(refused.body).toContain('it was not handled')
    expect(upgrades).toEqual([])
  })

  it('to a ticket of other paths, and to one of methods, since a WebSocket has none', async () => {
    const { served, upgrades } = await startWebSockets()
    await served.realm.add('narrow', 'reader')
    await served.realm.allow('narrow', 'orders', { paths: ['/live'] })
    await served.realm.allow('reader', 'orders', { methods: ['GET'] })
    const narrow = await startCallProxy(served.realm, { to: served.url, as: 'narrow' })
    const reader = await startCallProxy(served.realm, { to: served.url, as: 'reader' })
    for (const [port, path] of [
      [narrow.port, '/other'],
      [narrow.port, '/live/../other'],
      [reader.port, '/live'],
    ] as const)
      expect(await refusal(webSocketTo(port, path))).toMatchObject({ status: 403, word: 'caveat_failed' })
    expect(upgrades).toEqual([])
    await opened(webSocketTo(narrow.port, '/live/7'))
  })

  it('to more of one client than there may be', async () => {
    const { connect, served } = await startWebSockets({ webSockets: { max: 8, perClient: 1 } })
    await opened(connect())
    const refused = await passTime(served.realm.clock, refusal(connect()))
    expect([refused.status, refused.word]).toEqual([429, 'rate_limited'])
  })

  it('at a service that is no proxy, and gets nothing of what it says', async () => {
    const realm = await ordersRealm()
    const service = await realm.loadService('orders')
    const server = createServer()
    const accepted = acceptChannels({ service, server, path: '/live' }, channel => channel.send('hello'))
    onTestFinished(() => accepted.close())
    const { port } = await startCallProxy(realm, { to: `http://127.0.0.1:${await listen(server)}` })
    const refused = await refusal(webSocketTo(port))
    expect(refused).toMatchObject({ status: 502, word: 'response_unproved' })
    expect(refused.body).toContain('put orthrus proxy serve in front of it')
    expect(await refusal(webSocketTo(port, '/other'))).toMatchObject({ status: 503, word: 'unavailable' })
  })
})

/** A client of a few lines, which masks what it sends as RFC 6455 has it. */
const PYTHON = `
import base64, os, socket, struct, sys
port = int(sys.argv[1])
connection = socket.create_connection(('127.0.0.1', port))
key = base64.b64encode(os.urandom(16)).decode()
connection.sendall(('GET /live HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: %s\\r\\n\\r\\n' % (port, key)).encode())
stream = connection.makefile('rb')
status = stream.readline().split()[1].decode()
while stream.readline() != b'\\r\\n':
    pass
text, mask = b'hello from python', os.urandom(4)
masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
connection.sendall(struct.pack('!BB', 0x81, 0x80 | len(text)) + mask + masked)
kind, length = stream.read(2)
print(status, stream.read(length).decode())
`
