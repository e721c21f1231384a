import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { LENGTH_HEADER } from '../../cli/proxy/told-length.js'
import type { Realm } from '../../client/index.js'
import { OVERRIDE_HEADERS } from '../../shared/http/header-names.js'
import { raw, type Scene, type SceneOptions, startScene, statusOf } from '../cli/proxy/scene.js'
import { Connection } from '../service/connection.js'
import { HttpProxy } from '../support/http-proxy.js'
import { HandClient, type Presentation, present } from './by-hand.js'

/** What is tried on the way to a program behind `orthrus proxy serve`, and by whoever sends it bytes of their own. */

interface OnTheWay extends Scene {
  readonly network: HttpProxy
  readonly web: Realm
  /** A call whose headers the network adds to. */
  call(
    added: readonly (readonly [string, string])[],
    init?: RequestInit & { cover?: string[] },
    path?: string,
  ): Promise<Response>
}

async function onTheWay(options?: SceneOptions): Promise<OnTheWay> {
  const scene = await startScene(options)
  const network = await HttpProxy.start(scene.port)
  const web = await scene.realm.connect('web')
  const call: OnTheWay['call'] = (added, init = {}, path = '/') => {
    network.intercept = (request, forward) => forward({ ...request, headers: [...request.headers, ...added] })
    return web.fetch(`${network.url}${path}`, { service: 'orders', ...init })
  }
  return { ...scene, network, web, call }
}

/** The bytes of a request with a good ticket, with further headers behind the others, and another request line if one is given. */
async function goodBytes(
  { realm }: Scene,
  use: Partial<Presentation> & {
    readonly line?: string
    readonly more?: string
    readonly sent?: string
  } = {},
): Promise<string> {
  const client = await HandClient.open(realm, 'web')
  const { method = 'GET', target = '/', body = '' } = use
  const { headers } = present(await client.ticket('orders'), {
    method,
    target,
    body,
    time: realm.clock.now(),
    ...use,
  })
  const { line = `${method} ${target} HTTP/1.1`, more = '', sent = body } = use
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line}\r\nHost: a\r\n${lines.join('')}${more}\r\n${sent}`
}

describe('an identity that somebody writes on the way', () => {
  const SPELLINGS = [
    'x-orthrus-client',
    'X-Orthrus-Client',
    'X-ORTHRUS-CLIENT',
    'x_orthrus_client',
    'X-Orthrus_Client',
    'x.orthrus.client',
    'x|orthrus|client',
    'x-orthrus-via',
    'x-orthrus-claims',
    'x-orthrus-assertion',
    'x-orthrus-whatever',
    'x_orthrus-ticket-id',
  ]

  it('does not come through, in no spelling that a server could read as the name', async () => {
    const { call, seen } = await onTheWay()
    for (const name of SPELLINGS) {
      expect((await call([[name, 'admin@test.example']])).status).toBe(200)
      const { headers = [] } = seen.at(-1) ?? {}
      expect([name, headers.filter(([, value]) => value.includes('admin'))]).toEqual([name, []])
      const clients = headers.filter(([given]) => /client$/i.test(given))
      expect(clients).toEqual([['x-orthrus-client', 'web@test.example']])
    }
  })

  it('comes through no more often than once, nor where the proxy has another prefix', async () => {
    const { call, seen } = await onTheWay({
      owned: { prefix: 'x-auth-', strip: new Set(['x-user', 'remote-user']) },
    })
    const names = ['X-Auth-Client', 'x_auth_client', 'X-User', 'X_USER', 'Remote-User', 'remote_user']
    await call(names.map(name => [name, 'admin'] as const))
    const values = seen[0]?.headers.filter(([, value]) => value === 'admin')
    expect([values, seen[0]?.headers.filter(([name]) => /client/i.test(name))]).toEqual([
      [],
      [['x-auth-client', 'web@test.example']],
    ])
  })

  it('is not taken away by naming its headers in Connection', async () => {
    const { call, header } = await onTheWay()
    await call([
      ['connection', 'close, x-orthrus-client, X-Orthrus-Claims, cookie'],
      ['cookie', 'a=b'],
    ])
    expect([header('x-orthrus-client'), header('cookie')]).toEqual(['web@test.example', undefined])
    expect(header('x-orthrus-claims')).toBeDefined()
  })

  it('is not hidden among more headers than a server keeps', async () => {
    const { call, seen, port } = await onTheWay()
    const many = Array.from({ length: 1_200 }, (_, i) => [`x${i}`, ''] as const)
    await expect(call(many)).rejects.toMatchObject({ code: 'refused_unproved' })
    expect(statusOf(await raw(port, `GET / HTTP/1.1\r\nHost: a\r\nx: ${'a'.repeat(70_000)}\r\n\r\n`))).toBe(
      431,
    )
    expect(seen).toEqual([])
  })
})

describe('what a request was proved with', () => {
  it('is not taken away from the program by naming it in Connection', async () => {
    const { call, seen } = await onTheWay()
    const init = {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
      cover: ['idempotency-key'],
    }
    for (const name of ['content-type', 'Idempotency-Key']) {
      const response = await call([['connection', name]], init)
      expect([response.status, response.headers.get('orthrus-proxy')]).toEqual([400, 'request_wrong'])
    }
    expect(seen).toEqual([])
  })

  it('is not given a second meaning under a name that a server folds', async () => {
    const { call, seen, header } = await onTheWay()
    const names = [
      'content_type',
      'x_http_method_override',
      'x_original_url',
      'x.rewrite.url',
      'range_',
      'content_length',
      'transfer_encoding',
    ]
    await call(
      names.map(name => [name, 'x'] as const),
      { method: 'POST', body: '{}', headers: { 'content-type': 'a/b' } },
    )
    expect(seen[0]?.headers.filter(([, value]) => value === 'x')).toEqual([])
    expect(header('content-type')).toBe('a/b')
    await expect(call([['X-Original-URL', '/admin']])).rejects.toMatchObject({
      facts: { claimed: 'malformed' },
    })
  })

  it('is not made another request of where a path is open to anybody', async () => {
    const { port, seen } = await onTheWay({ openPaths: new Set(['/healthz']) })
    for (const name of OVERRIDE_HEADERS) {
      const text = await raw(port, `GET /healthz HTTP/1.1\r\nHost: a\r\n${name}: /admin\r\n\r\n`)
      expect([statusOf(text), text]).toEqual([
        400,
        expect.stringContaining('would make another request of it'),
      ])
    }
    expect(seen).toEqual([])
  })

  it('says nothing of where the caller is, nor of its proxy, its host or its encodings', async () => {
    const { call, seen, header } = await onTheWay()
    const names = [
      'X-Forwarded-For',
      'x-forwarded-host',
      'X-Forwarded-Proto',
      'X-Forwarded-Prefix',
      'Forwarded',
      'X-Real-IP',
      'Proxy',
      'Proxy-Authorization',
      'TE',
      'Expect-Nothing',
    ]
    await call(names.map(name => [name, 'evil'] as const))
    expect(seen[0]?.headers.filter(([, value]) => value === 'evil')).toEqual([['Expect-Nothing', 'evil']])
    expect(header('host')).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(header('accept-encoding')).toBe('identity')
  })
})

describe('bytes that two servers read in two ways', () => {
  const CHUNKED = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  /** Asks for the end of a connection that is still open, once all that came before is answered. */
  const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

  it.each([
    ['both lengths', 'Content-Length: 40\r\nTransfer-Encoding: chunked\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 40\r\n'],
    ['a list of lengths', 'Content-Length: 0, 40\r\n'],
    ['a signed length', 'Content-Length: +40\r\n'],
    ['a hexadecimal length', 'Content-Length: 0x28\r\n'],
    ['two encodings', 'Transfer-Encoding: identity, chunked\r\n'],
    ['an encoding behind chunked', 'Transfer-Encoding: chunked, identity\r\n'],
    ['an encoding that resembles chunked', 'Transfer-Encoding: xchunked\r\n'],
    ['an encoding in two headers', 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n'],
    ['obsolete folding', 'Transfer-Encoding:\r\n chunked\r\n'],
    ['obsolete folding of a name of its own', 'X-A: a\r\n X-Orthrus-Client: admin\r\n'],
    ['a space before the colon', 'X-Orthrus-Client : admin\r\n'],
    ['a NUL in a value', 'X-A: a\0b\r\n'],
    ['a NUL in a name', 'X-Orthrus-Client\0: admin\r\n'],
    ['a bare carriage return', 'X-A: a\rX-Orthrus-Client: admin\r\n'],
    ['a bare line feed', 'X-A: a\nX-Orthrus-Client: admin\r\n'],
    ['a name with a letter of another alphabet', 'X-Orthrus-Cli\xe9nt: admin\r\n'],
    ['a second host', 'Host: b\r\n'],
    ['an expectation that there is not', 'Expect: 200-maybe\r\n'],
    ['a name without a colon', 'X-Orthrus-Client\r\n'],
  ])('with %s reach no program', async (_, more) => {
    const scene = await onTheWay()
    const sent = /ncoding|ength/.test(more) ? CHUNKED : ''
    const text = await raw(scene.port, `${await goodBytes(scene, { more, sent })}${LAST}`)
    expect([400, 417]).toContain(statusOf(text))
    expect(scene.seen).toEqual([])
  })

  it.each([
    ['an absolute target', 'GET http://admin/ HTTP/1.1'],
    ['an authority', 'GET //admin HTTP/1.1'],
    ['a fragment', 'GET /#admin HTTP/1.1'],
    ['no path', 'OPTIONS * HTTP/1.1'],
    ['a space in the target', 'GET / admin HTTP/1.1'],
    ['a version to come', 'GET / HTTP/1.2'],
    ['another method', 'DELETE / HTTP/1.1'],
    ['a tunnel', 'CONNECT admin:80 HTTP/1.1'],
  ])('with %s reach no program', async (_, line) => {
    const scene = await onTheWay()
    const bytes = await goodBytes(scene, { line, more: 'Connection: close\r\n' })
    expect(await raw(scene.port, bytes)).toMatch(/^(?:HTTP\/1\.1 4\d\d|$)/)
    expect(scene.seen).toEqual([])
  })

  it.each([
    ['an absolute target', 'GET', 'http://admin/orders'],
    ['a fragment', 'GET', '/orders#x'],
    ['no path', 'OPTIONS', '*'],
    ['a method that shows the request', 'TRACE', '/'],
    ['another such method', 'TRACK', '/'],
  ])('with %s are refused also where a client that may call has bound them so', async (_, method, target) => {
    const scene = await onTheWay()
    const text = await raw(
      scene.port,
      await goodBytes(scene, { method, target, more: 'Connection: close\r\n' }),
    )
    // Node knows no TRACK, and answers it by itself.
    expect([400, 405]).toContain(statusOf(text))
    expect(text).not.toContain('web@test.example')
    expect(scene.seen).toEqual([])
  })

  it('in chunks with extensions reach the program without them, and with one length', async () => {
    const scene = await onTheWay()
    const more = 'Transfer-Encoding: chunked\r\nConnection: close\r\n'
    for (const sent of ['2;x=y\r\nhe\r\n3;z\r\nllo\r\n0\r\n\r\n', '2\r\nhe\r\n3\r\nllo\r\n0;x="\r\n\r\n']) {
      await raw(scene.port, await goodBytes(scene, { method: 'POST', body: 'hello', more, sent }))
      expect(scene.seen.every(({ body }) => body === 'hello')).toBe(true)
    }
    expect([scene.header('content-length'), scene.header('transfer-encoding')]).toEqual(['5', undefined])
  })

  it('in trailers have the request refused with a proof, since nothing covers them', async () => {
    const scene = await onTheWay()
    const more =
      'Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Orthrus-Client\r\nConnection: close, TE\r\n'
    for (const trailer of [
      'X-Orthrus-Client: admin@test.example',
      'Host: evil.example',
      'Authorization: Basic YWRtaW46',
      'Content-Length: 500',
      'Transfer-Encoding: chunked',
      'X-Harmless: yes',
    ]) {
      const sent = `5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`
      const bytes = await goodBytes(scene, { method: 'POST', body: 'hello', more, sent })
      expect([trailer, statusOf(await raw(scene.port, bytes))]).toEqual([trailer, 400])
    }
    expect(scene.seen).toEqual([])
    const sent = '5\r\nhello\r\n0\r\n\r\n'
    const bytes = await goodBytes(scene, { method: 'POST', body: 'hello', more, sent })
    expect(statusOf(await raw(scene.port, bytes))).toBe(200)
    expect(scene.header('trailer')).toBe(undefined)
  })

  it('in trailers of the program reach no client', async () => {
    const scene = await onTheWay({
      program: (_req, res) => {
        res.writeHead(200, { trailer: 'authentication-info, x-late' })
        res.write('ok')
        res.addTrailers({ 'authentication-info': 'Orthrus AAAA', 'x-late': 'forged' })
        res.end()
      },
    })
    const answer = await raw(
      scene.port,
      await goodBytes(scene, { more: 'TE: trailers\r\nConnection: close, TE\r\n' }),
    )
    expect(statusOf(answer)).toBe(200)
    expect(answer).not.toMatch(/forged|trailer|AAAA/i)
  })

  it.each([true, false])(
    'with a told length that is not that of the body reach no program as a whole, sealed: %s',
    async sealed => {
      const { web, url, seen } = await onTheWay()
      const body = `${'x'.repeat(40_000)}POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`
      for (const length of [
        '40000',
        '32768',
        '16384',
        '1',
        '0',
        '50000',
        '-1',
        '4e4',
        '0x10',
        '40,000',
        '9'.repeat(30),
      ]) {
        const headers = { [LENGTH_HEADER]: length }
        const init = { service: 'orders', method: 'POST', headers, cover: [LENGTH_HEADER], body, sealed }
        const response = await web.fetch(`${url}/`, init)
        expect([length, response.status, response.headers.get('orthrus-proxy')]).toEqual([
          length,
          400,
          'request_wrong',
        ])
      }
      expect(seen).toEqual([])
    },
  )

  it('are not whole for a program while more than the told length may follow', async () => {
    const { web, url, seen } = await onTheWay()
    const pieces = ['abc', 'POST /admin HTTP/1.1']
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = pieces.shift()
          // Time enough for a request that is whole too early.
          if (pieces.length === 0) await vi.waitUntil(() => seen.length > 0, 200).catch(() => {})
          if (piece === undefined) controller.close()
          else controller.enqueue(Buffer.from(piece))
        },
      },
      { highWaterMark: 0 },
    )
    const init = { service: 'orders', method: 'POST', body, sealed: true }
    const told = { headers: { [LENGTH_HEADER]: '3' }, cover: [LENGTH_HEADER] }
    expect((await web.fetch(`${url}/`, { ...init, ...told })).status).toBe(400)
    expect(seen).toEqual([])
  })

  it('with a length that is not that of the body reach no program', async () => {
    const scene = await onTheWay()
    const more = 'Content-Length: 3\r\nConnection: close\r\n'
    const text = await raw(scene.port, await goodBytes(scene, { method: 'POST', body: 'hello', more }))
    expect(statusOf(text)).toBe(400)
    expect(scene.seen).toEqual([])
  })
})

describe('a request that wants something else than an answer', () => {
  it('changes no protocol: h2c, a WebSocket and what nobody knows reach no program as such', async () => {
    const { call, seen, header } = await onTheWay()
    for (const upgrade of ['h2c', 'websocket', 'TLS/1.0', 'x, h2c']) {
      const response = await call([
        ['connection', 'Upgrade, HTTP2-Settings'],
        ['upgrade', upgrade],
        ['http2-settings', 'AAMAAABkAAQCAAAAAAIAAAAA'],
      ]).catch(() => undefined)
      if (response !== undefined)
        expect(['upgrade', 'http2-settings', 'connection'].map(header)).toEqual([
          undefined,
          undefined,
          expect.stringMatching(/^keep-alive$/i),
        ])
    }
    expect(
      seen.every(({ headers }) => !headers.some(([name]) => /^(?:upgrade|http2-settings)$/i.test(name))),
    ).toBe(true)
  })

  it('without a ticket is not asked for its body', async () => {
    const { port, seen } = await onTheWay()
    const connection = new Connection(port)
    onTestFinished(() => connection.destroy())
    connection.write(
      'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n',
      'HEAD',
    )
    const { status, informational } = await connection.response()
    expect([status, informational]).toEqual([401, []])
    expect(seen).toEqual([])
  })
})

it('an answer of the program that looks like a proof, or names what is covered, is none', async () => {
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close, x-gone\r\nx-gone: 1\r\northrus-covered: etag\r\northrus-proxy: upstream_broken\r\nauthentication-info: Orthrus AAAA\r\nwww-authenticate: Orthrus BBBB\r\nwww-authenticate: Basic realm="x"\r\ntrailer: x\r\n\r\nok',
      ),
    )
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { call } = await onTheWay({ to: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const response = await call([])
  const { headers } = response
  expect([response.status, await response.text()]).toEqual([200, 'ok'])
  expect(
    ['x-gone', 'orthrus-covered', 'orthrus-proxy', 'trailer', 'www-authenticate'].map(name =>
      headers.get(name),
    ),
  ).toEqual([null, null, null, null, 'Basic realm="x"'])
  expect(headers.get('authentication-info')).not.toContain('AAAA')
})
