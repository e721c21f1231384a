import { createServer, request as forward, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type RequireTicketOptions, requireTicket } from '../../../service/index.js'
import { rewrittenTargets } from '../../../service/request/rewritten-targets.js'
import type { RawRequest } from '../connection.js'
import { expectProved, expectRefused, type RunningRealm, type SignedRequest, startRealm } from '../realm.js'

/** Behind a proxy that rewrites: what is bound where its owner says so, and what the log says where nobody did. */

const line = (realm: RunningRealm) => realm.log.lines.at(-1)

async function mismatch(change: (request: SignedRequest) => RawRequest, given: Partial<RawRequest> = {}) {
  const realm = await startRealm()
  const request = realm.sign({ target: '/orders/7?token=x', ...given })
  const response = await realm.send(change(request))
  const error = expectRefused(response, request, 'binding_mismatch', '06')
  return { realm, request, response, error }
}

const target = (value: string) => (request: SignedRequest) => ({ ...request, target: value })
const header = (name: string, value: string) => (request: SignedRequest) => ({
  ...request,
  headers: [...request.headers.filter(([own]) => own !== name), [name, value] as const],
})

describe('the log of a binding that does not hold names what the client bound, and the way out', () => {
  const JSON_TYPE = {
    method: 'POST',
    headers: [['content-type', 'application/json']] as const,
    body: Buffer.from('{}'),
  }

  it.each<[string, (request: SignedRequest) => RawRequest, string, string, Partial<RawRequest>?]>([
    [
      'a prefix that is the service’s name',
      target('/7?token=x'),
      'GET /orders/7',
      "requireTicket({ pathPrefix: '/orders' })",
    ],
    [
      'a prefix that a header names',
      request => header('x-forwarded-prefix', '/shop/eu/')(target('/7?token=x')(request)),
      'GET /shop/eu/7',
      "requireTicket({ pathPrefix: '/shop/eu' })",
      { target: '/shop/eu/7?token=x' },
    ],
    [
      'a whole path that a header names',
      request => header('X-Forwarded-Uri', '/shop/orders/7?token=x')(target('/7?token=x')(request)),
      'GET /shop/orders/7',
      "requireTicket({ pathPrefix: '/shop/orders' })",
      { target: '/shop/orders/7?token=x' },
    ],
    [
      'parts put before the path',
      target('/in/v2/orders/7?token=x'),
      'GET /orders/7',
      'puts "/in/v2" before the path',
    ],
    [
      'a slash at the end',
      target('/orders/7/?token=x'),
      'GET /orders/7',
      'something on the way rewrites paths',
    ],
    [
      'a character that was decoded',
      target('/orders/a+b'),
      'GET /orders/a%2Bb',
      'rewrites paths',
      { target: '/orders/a%2Bb' },
    ],
    [
      'codes in upper case',
      target('/orders/%C3%A9'),
      'GET /orders/%c3%a9',
      'rewrites paths',
      { target: '/orders/%c3%a9' },
    ],
    [
      'slashes that were merged',
      target('/orders/7'),
      'GET //orders//7',
      'rewrites paths',
      { target: '//orders//7' },
    ],
    [
      'spaces in a query',
      target('/orders?q=a%20b'),
      'GET /orders',
      'rewrites paths',
      { target: '/orders?q=a+b' },
    ],
    [
      'another method',
      request => ({ ...request, method: 'GET' }),
      'HEAD /orders/7',
      'the client sent HEAD',
      { method: 'HEAD' },
    ],
    [
      'a charset that was added',
      header('content-type', 'application/json; charset=utf-8'),
      'content-type: "application/json"',
      'something on the way changed that header',
      JSON_TYPE,
    ],
    ['a header that was added', header('range', 'bytes=0-'), 'no range', 'added that header'],
    ['a body that was added', request => ({ ...request, body: Buffer.from('x') }), 'no body', 'added one'],
  ])('%s', async (_, change, bound, hint, given) => {
    const { realm } = await mismatch(change, given)
    expect(line(realm)).toMatchObject({
      level: 'warn',
      message: 'a request was refused for a reason that lies with this service',
      fields: { kind: 'refused', code: 'binding_mismatch', bound, hint: expect.stringContaining(hint) },
    })
  })

  it('says what arrived where no usual rewrite explains it', async () => {
    const { realm } = await mismatch(request => ({ ...request, body: Buffer.from('pay 9') }), JSON_TYPE)
    expect(line(realm)).toMatchObject({
      level: 'info',
      fields: {
        bound: undefined,
        arrived:
          'POST /orders/7, a query of 7 characters, content-type "application/json", a body of 5 bytes',
        hint: expect.stringContaining('in none of the usual ways'),
      },
    })
  })

  it('tells nothing of it on the wire, and no query, credential or long text in the log', async () => {
    const long = `/orders/${'a'.repeat(3_000)}`
    const { realm, response, error } = await mismatch(
      request => header('orthrus-credential', 'c2VjcmV0')(target(`${long}?token=secret`)(request)),
      { headers: [['if-none-match', '"private"']] },
    )
    const wire = JSON.stringify(response.headers) + response.body.toString() + JSON.stringify(error)
    expect(wire).not.toMatch(/orders\/|pathPrefix|arrived/)
    const logged = JSON.stringify(realm.log.lines)
    expect(logged).not.toMatch(/secret|c2VjcmV0|private|token/)
    expect(logged).toContain('if-none-match, orthrus-credential, a body of 0 bytes')
    expect(logged.length).toBeLessThan(2_000)
  })

  it('costs a bounded number of tries', () => {
    const headers = Array.from({ length: 1_000 }, (_, i) => ['x-forwarded-prefix', `/p${i}`] as const)
    const tried = [...rewrittenTargets(`/${'a/'.repeat(1_000)}`, headers, 'orders/1')]
    expect(tried.length).toBeLessThan(60)
    expect(new Set(tried.map(each => each.target)).size).toBe(tried.length)
  })
})

describe('what is not explained as a rewrite', () => {
  it('is a covered header that is required and missing', async () => {
    const realm = await startRealm({ requireCovered: ['idempotency-key'] })
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'binding_mismatch', '06')
    expect(line(realm)).toMatchObject({ level: 'info', fields: { bound: undefined, arrived: undefined } })
  })
})

/** A proxy that passes each request on with another path. */
async function startProxy(port: number, rewrite: (url: string) => string): Promise<number> {
  const listener: RequestListener = (req, res) => {
    const { method, headers, url = '' } = req
    const onward = forward({ port, host: '127.0.0.1', method, headers, path: rewrite(url) }, response => {
      res.writeHead(response.statusCode ?? 0, response.rawHeaders)
      response.pipe(res)
    })
    req.pipe(onward)
  }
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function behindProxy(rewrite: (url: string) => string, options: Partial<RequireTicketOptions>) {
  const realm = await startRealm({ ...options, handler: (req, res) => res.end(req.url) })
  const port = await startProxy(realm.port, rewrite)
  const send = async (request: RawRequest) => {
    const { server } = realm
    realm.server = { address: () => ({ port }) } as never
    try {
      return await realm.send(request)
    } finally {
      realm.server = server
    }
  }
  return { realm, send }
}

describe('behind a proxy that rewrites paths', () => {
  it.each<[string, string, Partial<RequireTicketOptions>]>([
    ['pathPrefix', '/api/orders/7?x=1', { pathPrefix: '/api' }],
    ['pathPrefix with several parts', '/api/v1/orders/7?x=1', { pathPrefix: '/api/v1' }],
    ['externalUrl, a path', '/api/orders/7?x=1', { externalUrl: req => `/api${req.url}` }],
    [
      'externalUrl, a URL',
      '/api/orders/7?x=1',
      { externalUrl: req => `https://orders.example:8443/api${req.url}` },
    ],
  ])('%s says what the client asked for', async (_, asked, options) => {
    const { realm, send } = await behindProxy(url => url.replace(/^\/api(?:\/v1)?/, ''), options)
    const caveats = [{ name: 'paths', prefixes: ['/api'] }] as const
    const request = realm.sign({ method: 'POST', target: asked, body: Buffer.from('pay 1') }, { caveats })
    const response = await send(request)
    expect(response.body.toString()).toBe('/orders/7?x=1')
    expectProved(response, request)
    const other = realm.sign({ target: asked })
    expectRefused(await send({ ...other, target: `${asked}2` }), other, 'binding_mismatch', '06')
  })

  it('a request that does not come through the proxy is refused', async () => {
    const { realm } = await behindProxy(url => url.slice(4), { pathPrefix: '/api' })
    const request = realm.sign({ target: '/orders/7' })
    expectRefused(await realm.send(request), request, 'binding_mismatch', '06')
    expect(line(realm)?.fields).toMatchObject({
      bound: 'GET /orders/7',
      hint: expect.stringContaining('puts "/api" before the path'),
    })
  })

  it('without the option the log says which one helps', async () => {
    const { realm, send } = await behindProxy(url => url.slice(4), {})
    const request = realm.sign({ target: '/api/orders/7' })
    expectRefused(await send(request), request, 'binding_mismatch', '06')
    expect(line(realm)?.fields.hint).toContain("requireTicket({ pathPrefix: '/api' })")
  })

  it.each<[string, (req: IncomingMessage) => unknown]>([
    ['throws', () => expect.fail('no header')],
    ['gives nothing', () => undefined],
    ['gives a relative path', () => 'orders/7'],
    ['gives a fragment', () => '/orders/7#x'],
    ['gives a line break', () => '/orders/7\nx'],
    ['gives another scheme', () => 'ftp://orders/7'],
  ])('an externalUrl that %s lets nothing pass', async (_, externalUrl) => {
    const realm = await startRealm({ externalUrl: externalUrl as () => string })
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'unavailable', '05')
    expect(line(realm)).toMatchObject({ level: 'error', fields: { kind: 'unchecked', path: '/orders/7' } })
    expect(realm.handled).toEqual([])
  })

  it.each([
    [{ pathPrefix: 'api' }],
    [{ pathPrefix: '/api/' }],
    [{ pathPrefix: '/' }],
    [{ pathPrefix: '/a/../b' }],
    [{ pathPrefix: '/api?x=1' }],
    [{ pathPrefix: '//api' }],
    [{ pathPrefix: 7 }],
    [{ externalUrl: '/api' }],
    [{ externalUrl: () => '/', pathPrefix: '/api' }],
  ])('%j is refused', async options => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service, ...(options as object) })).toThrow(TypeError)
  })
})
