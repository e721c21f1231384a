import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { LENGTH_HEADER } from '../../../cli/proxy/told-length.js'
import { type CallSceneOptions, startCallProxy } from './call-scene.js'
import { listen, raw, type SceneOptions, startScene, statusOf } from './scene.js'

/** A program in any language, which calls through a proxy on its machine. */

async function callers(options: Partial<CallSceneOptions> = {}, scene: SceneOptions = {}) {
  const served = await startScene(scene)
  const { port, url, logger } = await startCallProxy(served.realm, { to: served.url, ...options })
  return { served, port, url, logger }
}

const get = (host: string, ...headers: string[]): string =>
  `${['GET /orders HTTP/1.1', `Host: ${host}`, ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`

describe('a program that calls through a proxy', () => {
  it.each([true, false])('gets the answer of the service, sealed on the way: %s', async sealed => {
    const { served, url } = await callers({ sealed })
    const response = await fetch(`${url}/orders/7?x=%20`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k', cookie: 'a=b' },
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ method: 'POST', target: '/orders/7?x=%20', body: '{"a":1}' })
    expect(served.header('x-orthrus-client')).toBe('web@test.example')
    expect(['content-type', 'idempotency-key', 'cookie'].map(served.header)).toEqual([
      'application/json',
      'k',
      'a=b',
    ])
    const shown = [...response.headers.keys()].filter(name => /orthrus|auth|encoding/.test(name))
    expect(shown.filter(name => name !== 'transfer-encoding')).toEqual([])
  })

  it('streams both ways, at any size', async () => {
    const { url, served } = await callers(
      {},
      {
        maxBody: 1_000,
        program: (_req, res, body) => {
          res.setHeader('x-digest', createHash('sha256').update(body).digest('hex'))
          res.end(Buffer.alloc(3_000_000, 'y'))
        },
      },
    )
    const body = Buffer.alloc(2_000_000, 'x')
    const response = await fetch(url, { method: 'PUT', body })
    expect(response.headers.get('x-digest')).toBe(createHash('sha256').update(body).digest('hex'))
    expect((await response.arrayBuffer()).byteLength).toBe(3_000_000)
    expect(['content-length', 'transfer-encoding', LENGTH_HEADER].map(served.header)).toEqual([
      '2000000',
      undefined,
      undefined,
    ])
  })

  it('is answered as the service answers: redirects, errors, cookies, nothing', async () => {
    const { url } = await callers(
      {},
      {
        program: (req, res) => {
          res.setHeader('set-cookie', ['a=1', 'b=2'])
          if (req.url === '/303') res.setHeader('location', '/there')
          res.writeHead(Number(req.url?.slice(1))).end()
        },
      },
    )
    for (const status of [204, 304, 404, 500]) {
      const response = await fetch(`${url}/${status}`)
      expect([response.status, response.headers.getSetCookie()]).toEqual([status, ['a=1', 'b=2']])
    }
    // Also where the body was streamed, which the platform's own fetch would not let through.
    const posted = await fetch(`${url}/303`, { method: 'POST', body: 'form', redirect: 'manual' })
    expect([posted.status, posted.headers.get('location')]).toEqual([303, '/there'])
    expect((await fetch(`${url}/200`, { method: 'HEAD' })).status).toBe(200)
  })

  it('goes where its host leads, also as to a proxy of HTTP', async () => {
    const { served, port } = await callers({
      routes: route => ({
        only: undefined,
        byHost: new Map([
          ['orders.local', route],
          ['orders:81', route],
        ]),
      }),
    })
    for (const head of [
      get('orders.local'),
      get('ORDERS.LOCAL:8080'),
      get('orders:81'),
      get('x').replace('GET ', 'GET http://orders.local'),
    ])
      expect(statusOf(await raw(port, head))).toBe(200)
    expect(served.seen.map(({ target }) => target)).toEqual(Array.from({ length: 4 }, () => '/orders'))
    for (const head of [
      get('orders:80'),
      get('127.0.0.1'),
      get('orders.local.evil'),
      get('orders.local').replace('GET ', 'GET http://evil'),
    ])
      expect(statusOf(await raw(port, head))).toBe(421)
    expect(statusOf(await raw(port, get('orders.local', 'Host: orders.local')))).toBe(400)
    expect(served.seen).toHaveLength(4)
  })

  it('never sees what is not proved', async () => {
    const secrets = ['forged', 'by nobody']
    const port = await listen(
      createServer((_req, res) => res.setHeader('x-forged', 'forged').end(secrets.join(' '))),
    )
    const { served } = await callers()
    for (const sealed of [true, false]) {
      const { url } = await startCallProxy(served.realm, { to: `http://127.0.0.1:${port}`, sealed })
      const response = await fetch(url)
      const text = await response.text()
      expect([
        response.status,
        response.headers.get('orthrus-proxy'),
        response.headers.get('x-forged'),
      ]).toEqual([502, 'response_unproved', null])
      expect(text).toContain('nothing proves that the response is from orders@test.example')
      expect(text).not.toContain('by nobody')
    }
  })

  it.each([
    ['whom no rule lets', 'stranger', 403, 'policy_denied', 'orthrus admin allow stranger orders'],
    ['who lacks a claim', 'gate', 403, 'not_authorized', '--claim NAME=VALUE'],
  ])('is told what to do, %s', async (_, as, status, word, hint) => {
    const { url } = await callers({ as }, { claims: { role: 'reader' } })
    const response = await fetch(url, { method: 'POST', body: 'x' })
    expect([response.status, response.headers.get('orthrus-proxy')]).toEqual([status, word])
    expect(await response.text()).toMatch(new RegExp(`^orthrus proxy: ${word}: .*${hint}.*\n$`))
  })

  it('is told when nothing listens at the service, and whether it was handled', async () => {
    const { served } = await callers()
    const { url } = await startCallProxy(served.realm, { to: `http://127.0.0.1:1` })
    const response = await fetch(url, { method: 'POST', body: 'x' })
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await response.text()).toMatch(
      /nothing was sent on this attempt; nothing listens there: start orders.*\); if it was sent before, it may have been handled then\n$/,
    )
  })

  it('has its own authorization refused, unless the proxy is to leave it out', async () => {
    const { served, url } = await callers()
    const headers = { authorization: 'Bearer secret' }
    const refused = await fetch(url, { headers })
    expect([refused.status, refused.headers.get('orthrus-proxy')]).toEqual([400, 'authorization_refused'])
    expect(await refused.text()).not.toContain('secret')
    const other = await startCallProxy(served.realm, { to: served.url, strip: new Set(['authorization']) })
    expect((await fetch(other.url, { headers })).status).toBe(200)
    expect(served.header('authorization')).toBe(undefined)
  })

  it('sees a stream that was cut as cut', async () => {
    const { url } = await callers(
      {},
      {
        program: (_req, res) => {
          res.writeHead(200).write('half')
          setTimeout(() => res.destroy(), 20)
        },
      },
    )
    const response = await fetch(url)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it('waits for "continue" only where it may call', async () => {
    const { port } = await callers({ faultOf: async () => undefined })
    const asking =
      'POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n'
    expect(await raw(port, `${asking}hi`)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/)
    const fault = { status: 403, word: 'user_refused', text: 'no' }
    const refusing = await callers({ faultOf: async () => fault })
    expect(await raw(refusing.port, asking)).toMatch(/^HTTP\/1\.1 403/)
  })
})

describe('a page in a browser on the same machine', () => {
  it.each([
    ['whose own name leads to this machine (DNS rebinding)', 421, get('evil.example:80')],
    ['that posts a form', 403, get('localhost', 'Origin: http://evil.example')],
    ['without an origin of its own', 403, get('localhost', 'Origin: null')],
    ['on another port of this machine', 403, get('127.0.0.1', 'Origin: http://127.0.0.1:3000')],
    ['that shows a picture', 403, get('localhost', 'Sec-Fetch-Site: cross-site')],
    ['that a person opens', 403, get('localhost', 'Sec-Fetch-Site: none')],
    [
      'that shows a picture without saying where it is, in a browser that does not say it either',
      403,
      get('orders.internal', 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', 'Accept: image/*'),
    ],
    ['that a person opens without TLS', 403, get('orders.internal', 'Upgrade-Insecure-Requests: 1')],
    ['that says what it is for alone', 403, get('localhost', 'Sec-Fetch-Dest: image')],
    ['that says its browser alone', 403, get('localhost', 'Sec-CH-UA: "Chromium";v="140"')],
    ['in an old browser', 403, get('localhost', 'Referer: http://evil.example/')],
    [
      'that asks first',
      403,
      get('localhost', 'Access-Control-Request-Method: PUT').replace('GET', 'OPTIONS'),
    ],
    [
      'that leads a browser through it as a proxy',
      421,
      get('localhost').replace('GET ', 'GET http://evil.example'),
    ],
    ['that names its host in another way', 421, get('127.0.0.1.evil.example')],
    ['that says no host', 400, 'GET / HTTP/1.0\r\n\r\n'],
    ['that says two', 400, get('localhost', 'Host: evil.example')],
  ])('%s gets nothing', async (_, status, head) => {
    const { served, port } = await callers({
      routes: route => ({ byHost: new Map([['orders.internal', route]]) }),
    })
    expect(statusOf(await raw(port, head))).toBe(status)
    expect(served.seen).toEqual([])
  })

  it('is told from a program, which says nothing of the kind', async () => {
    const { port, served } = await callers({ routes: () => ({ names: new Set(['gateway.local']) }) })
    for (const host of [
      'localhost',
      'localhost:81',
      '127.0.0.1:9',
      '127.8.8.8',
      '[::1]:80',
      'gateway.local:1',
    ])
      expect([host, statusOf(await raw(port, get(host)))]).toEqual([host, 200])
    expect(statusOf(await raw(port, get('localhost:1', 'Referer: http://localhost:1/before')))).toBe(200)
    for (const agent of ['curl/8.5.0', 'Python-urllib/3.13', 'Go-http-client/1.1', 'Java/21', 'node'])
      expect(statusOf(await raw(port, get('localhost', `User-Agent: ${agent}`)))).toBe(200)
    // As the fetch of Node says.
    expect(statusOf(await raw(port, get('localhost', 'Sec-Fetch-Mode: cors', 'Accept-Language: *')))).toBe(
      200,
    )
    expect(served.seen).toHaveLength(13)
  })
})
