import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Realm } from '../../../client/index.js'
import type { FETCH_OPTIONS, RealmFetchInit } from '../../../client/realm-options.js'
import {
  type CorsOptions,
  type RequireTicketOptions,
  requireTicket,
  ticketOf,
} from '../../../service/index.js'
import { createCorsPolicy } from '../../../service/request/cors.js'
import * as headerNames from '../../../shared/http/header-names.js'
import { COVERED_REQUEST_HEADERS } from '../../../shared/http/header-names.js'
import { startRealm as startWholeRealm } from '../../../testing/index.js'
import type { RawResponse } from '../connection.js'
import { expectProved, expectRefused, headerOf, startRealm } from '../realm.js'

/** Pages of other origins: what they are allowed, and that they see what becomes of their requests. */

const APP = 'https://app.example'
const EVIL = 'https://app.example.evil'
const cors: CorsOptions = { origins: [APP, 'http://localhost:5173'] }
const from = (origin: string) => [['origin', origin] as const]
const asking = (origin: string) => [...from(origin), ['access-control-request-method', 'POST'] as const]

const corsHeaders = ({ headers }: RawResponse): Record<string, string> =>
  Object.fromEntries(
    headers
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .filter(([name]) => name.startsWith('access-control-')),
  )

const ask = (origin: string) => ({ method: 'OPTIONS', target: '/orders', headers: asking(origin) })

describe('an answer without a proof', () => {
  it.each<[string, RequestListener]>([
    ['sets', (_, res) => void res.setHeader('vary', 'accept').end('x')],
    ['removes', (_, res) => void res.setHeader('vary', 'accept').removeHeader('access-control-allow-origin')],
    ['writes', (_, res) => void res.writeHead(200, { Vary: 'accept', etag: '"1"' }).end('x')],
    ['writes behind a text', (_, res) => void res.writeHead(200, 'fine', ['vary', 'accept']).end('x')],
  ])('is given to no other page by a cache, whatever its handler %s', async (_, handle) => {
    const realm = await startRealm({
      listener: ({ service }) =>
        requireTicket({ service, cors, permitWithoutTicket: true }, (req, res) => {
          handle(req, res)
          res.end()
        }),
    })
    const response = await realm.send({ method: 'GET', target: '/orders', headers: from(APP) })
    expect([response.status, headerOf(response, 'vary')]).toEqual([200, 'accept, origin'])
    expect(headerOf(response, 'access-control-allow-origin')).toBe(APP)
  })
})

describe('what a browser asks before it sends', () => {
  it('is answered without a ticket, for an origin that is named', async () => {
    const realm = await startRealm({
      cors: {
        ...cors,
        headers: ['x-tenant'],
        exposed: ['x-total'],
        methods: ['GET', 'POST'],
        maxAge: 90_000,
      },
      requireCovered: ['idempotency-key'],
      coverResponseHeaders: ['etag'],
    })
    const response = await realm.send(ask(APP))
    expect([response.status, response.body.length]).toEqual([204, 0])
    expect(corsHeaders(response)).toEqual({
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers':
        'authorization, orthrus-accept, orthrus-covered, content-type, content-encoding, range, if-match, if-none-match, if-modified-since, if-unmodified-since, if-range, orthrus-credential, idempotency-key, x-tenant',
      'access-control-expose-headers':
        'authentication-info, www-authenticate, content-encoding, orthrus-covered, content-type, content-range, location, etag, x-total',
      'access-control-max-age': '90',
    })
    expect(headerOf(response, 'vary')).toBe('origin')
    expect([realm.handled, realm.refused, realm.log.lines]).toEqual([[], [], []])
  })

  it.each([EVIL, 'null', 'http://app.example', 'https://APP.example', `${APP}, ${APP}`])(
    'is refused for %s, without a header of CORS',
    async origin => {
      const realm = await startRealm({ cors })
      const response = await realm.send(ask(origin))
      expect([response.status, corsHeaders(response)]).toEqual([403, {}])
      expect(headerOf(response, 'vary')).toBe('origin')
      expect(realm.log.lines).toMatchObject([
        { level: 'info', fields: { kind: 'origin_refused', origin, method: 'OPTIONS', path: '/orders' } },
      ])
    },
  )

  it.each([
    ['no origin', asking(APP).slice(1), 'OPTIONS'],
    ['no method that it asks for', asking(APP).slice(0, 1), 'OPTIONS'],
    ['another method', asking(APP), 'POST'],
  ])('is a request like others with %s', async (_, headers, method) => {
    const realm = await startRealm({ cors })
    const plain = await realm.send({ method, target: '/orders', headers })
    expect(plain.status).toBe(401)
    const request = realm.sign({ method, headers })
    expectProved(await realm.send(request), request)
    expect(realm.handled.length).toBe(1)
  })

  it('is answered before something else than a ticket is asked for', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const gate = requireTicket({ service, cors }).or((_req, res) =>
          res.writeHead(418, { 'content-length': 0 }).end(),
        )
        return (req, res) => void gate(req, res, () => {})
      },
    })
    expect((await realm.send(ask(APP))).status).toBe(204)
    const other = await realm.send({ method: 'GET', target: '/', headers: from(APP) })
    expect([other.status, corsHeaders(other)['access-control-allow-origin']]).toEqual([418, APP])
  })
})

describe('a response to a page', () => {
  const clearing: RequireTicketOptions['onRefused'] = (_refused, _req, res) => {
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    res.end('by the application')
  }

  it.each<[string, object, object?]>([
    ['that was proved', {}],
    ['of a handler that failed', { handler: () => Promise.reject(new Error('no database')) }],
    [
      'whose handler removes headers and varies by another',
      {
        handler: (_req: unknown, res: import('node:http').ServerResponse) => {
          for (const name of res.getHeaderNames()) res.removeHeader(name)
          res.setHeader('vary', 'accept').end('x')
        },
        coverResponseHeaders: ['vary'],
      },
    ],
    ['that refuses', { claims: { role: 'writer' } }],
    ['that an application writes', { claims: { role: 'writer' }, onRefused: clearing }],
  ])('%s can be read by it, and by no page of another origin', async (_, options) => {
    const realm = await startRealm({ cors, ...options })
    for (const origin of [APP, 'http://localhost:5173', EVIL]) {
      const request = realm.sign({ headers: from(origin) })
      const response = await realm.send(request)
      const isNamed = origin !== EVIL
      expect(corsHeaders(response)).toEqual(
        isNamed
          ? {
              'access-control-allow-origin': origin,
              'access-control-expose-headers': expect.stringContaining(
                'authentication-info, www-authenticate',
              ),
            }
          : {},
      )
      expect(headerOf(response, 'vary')).toMatch(/(?:^|, )origin$/)
      if (response.status !== 403) expectProved(response, request)
      else expect(headerOf(response, 'www-authenticate')).toContain('not_authorized')
    }
  })

  it('without a ticket is a challenge that it can read', async () => {
    const realm = await startRealm({ cors })
    const response = await realm.send({ method: 'GET', target: '/', headers: from(APP) })
    expect([response.status, corsHeaders(response)['access-control-allow-origin']]).toEqual([401, APP])
  })

  it('has no header of CORS where the option is not given', async () => {
    const realm = await startRealm()
    const request = realm.sign({ headers: from(APP) })
    const response = await realm.send(request)
    expectProved(response, request)
    expect([corsHeaders(response), headerOf(response, 'vary')]).toEqual([{}, undefined])
    const asked = await realm.send(ask(APP))
    expect([asked.status, corsHeaders(asked)]).toEqual([401, {}])
  })

  it('of an inner gate that refuses can be read too', async () => {
    const realm = await startRealm({
      listener:
        ({ service }) =>
        (req, res) =>
          requireTicket({ service, cors })(req, res, () =>
            requireTicket({ service, claims: { role: 'writer' } })(req, res, () =>
              res.end(ticketOf(req).client),
            ),
          ),
    })
    const request = realm.sign({ headers: from(APP) })
    const response = await realm.send(request)
    expectRefused(response, request, 'not_authorized', '06')
    expect(corsHeaders(response)['access-control-allow-origin']).toBe(APP)
  })
})

describe('cors of requireTicket', () => {
  it.each([
    [{ origins: ['*'] }, 'it would let the pages of everybody call; name each'],
    [{ origins: [] }, 'origins of cors is a list'],
    [{ origins: '*' }, 'origins of cors is a list'],
    [{ origins: ['https://app.example/'] }, 'which is no origin'],
    [{ origins: ['https://App.example'] }, 'which is no origin'],
    [{ origins: ['http://*.example'] }, 'each in full'],
    [{ origins: ['null'] }, 'which is no origin'],
    [{ origins: ['file://'] }, 'which is no origin'],
    [{ origins: ['https://app.example:443'] }, 'which is no origin'],
    [{ origins: [/example/] }, 'which is no origin'],
    [{ origins: [APP], headers: ['*'] }, 'headers of cors has "*", which is no name'],
    [{ origins: [APP], methods: ['GET, PUT'] }, 'methods of cors has'],
    [{ origins: [APP], maxAge: '10m' }, 'maxAge of cors is a number of milliseconds'],
    [{ origin: APP }, 'did you mean "origins"?'],
    ['https://app.example', 'cors of requireTicket takes an object'],
  ])('refuses %j', async (given, message) => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service, cors: given as never })).toThrow(TypeError)
    expect(() => requireTicket({ service, cors: given as never })).toThrow(message)
  })

  it('refuses to cover what no page can read', async () => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service, cors, coverResponseHeaders: ['set-cookie'] })).toThrow(
      'which no page can read',
    )
  })
})

/** What browsers send without asking, and show without being told that they may. */
const SENT_FREELY = ['accept', 'accept-language', 'content-language']
const READ_FREELY = [
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
]
/** Browsers leave out what a page must not set. */
const FORBIDDEN = ['accept-encoding', 'content-length', 'host']

/** A page's `fetch`: the part of the Fetch standard that concerns other origins. It says what it asked before it sent. */
function fetchOfPage(origin: string, asked: string[]): typeof fetch {
  const list = (response: Response, name: string): string[] => (response.headers.get(name) ?? '').split(', ')
  return async (url, init = {}) => {
    const headers = new Headers(init.headers)
    for (const name of FORBIDDEN) headers.delete(name)
    const names = [...headers.keys()].filter(name => !SENT_FREELY.includes(name))
    const { method = 'GET' } = init
    const allowed = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': names.join(','),
      },
    })
    asked.push(`${method} ${names.join(' ')}`)
    const isAllowed =
      allowed.ok &&
      allowed.headers.get('access-control-allow-origin') === origin &&
      list(allowed, 'access-control-allow-methods').includes(method) &&
      names.every(name => list(allowed, 'access-control-allow-headers').includes(name))
    if (!isAllowed) throw new TypeError('Failed to fetch')
    headers.set('origin', origin)
    const response = await fetch(url, { ...init, headers })
    if (response.headers.get('access-control-allow-origin') !== origin) throw new TypeError('Failed to fetch')
    const shown = [...READ_FREELY, ...list(response, 'access-control-expose-headers')]
    const seen = [...response.headers].filter(([name]) => shown.includes(name))
    return new Response(response.body, { status: response.status, headers: seen })
  }
}

describe('realm.fetch of a page', () => {
  async function start({ requireCovered = ['idempotency-key'] } = {}) {
    const realm = await startWholeRealm()
    onTestFinished(() => realm.close())
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders', { claims: { role: 'reader' }, delegable: true })
    const service = await realm.loadService('orders')
    const options = { service, cors, requireCovered, coverResponseHeaders: ['etag'] }
    const server = createServer(
      requireTicket(options, (req, res, ticket) => {
        if (req.url === '/writers' && ticket.claims.role !== 'writer') throw new Error('not for readers')
        res.setHeader('etag', '"1"').end(`hello ${ticket.client}`)
      }),
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const asked: string[] = []
    const page = (origin: string) =>
      realm.connect('web', { fetch: fetchOfPage(origin, asked), services: { [url]: 'orders' } })
    return { url, asked, page }
  }

  it('works across origins, with covered headers, and sees a proved failure', async () => {
    const { url, asked, page } = await start()
    const web = await page(APP)
    const options = { headers: { 'idempotency-key': 'k-1' }, cover: ['idempotency-key'] }
    const posted = await web.fetch(`${url}/pay`, { method: 'POST', body: '{}', ...options })
    expect([await posted.text(), posted.headers.get('etag'), posted.covered]).toEqual([
      'hello web@test.example',
      '"1"',
      ['etag'],
    ])
    expect(asked[0]).toBe('POST authorization content-type idempotency-key orthrus-covered')
    expect((await web.fetch(`${url}/writers`, options)).status).toBe(500)
    await expect(web.fetch(url)).rejects.toMatchObject({ code: 'binding_mismatch' })
  })

  /** What an option makes `realm.fetch` send; `undefined` for one that is no part of what is sent. */
  const TRIED: {
    readonly [Name in keyof typeof FETCH_OPTIONS]: ((web: Realm) => Promise<RealmFetchInit>) | undefined
  } = {
    ticket: async web => ({ ticket: (await web.getServiceTicket('orders')).attenuate({ methods: ['PUT'] }) }),
    handOff: async web => ({ handOff: (await web.getServiceTicket('orders')).attenuate({ to: 'orders' }) }),
    cover: async () => ({ cover: ['x-missing', 'accept'], headers: { accept: 'a/b' } }),
    sealed: async () => ({ sealed: true, body: 'secret' }),
    headers: async () => ({ headers: GIVEN }),
    body: async () => ({ body: new FormData() }),
    repeatable: async () => ({ repeatable: true }),
    redirect: async () => ({ redirect: 'manual' }),
    cache: async () => ({ cache: 'no-store' }),
    service: undefined,
    method: undefined,
    signal: undefined,
    credentials: undefined,
    dispatcher: undefined,
    duplex: undefined,
    integrity: undefined,
    keepalive: undefined,
    mode: undefined,
    priority: undefined,
    referrer: undefined,
    referrerPolicy: undefined,
    window: undefined,
  }
  /** Those of its caller that are bound, and that are not of another option. */
  const GIVEN = Object.fromEntries(
    COVERED_REQUEST_HEADERS.filter(name => !/^(?:orthrus-|content-)/.test(name)).map(name => [name, '"x"']),
  )

  it.each(Object.entries(TRIED).filter(([, tried]) => tried !== undefined))(
    'may send whatever %s makes it send, and reads what proves the answer',
    async (_, tried) => {
      const { url, asked, page } = await start({ requireCovered: [] })
      const web = await page(APP)
      const response = await web.fetch(url, { method: 'PUT', ...(await tried?.(web)) })
      expect([response.status, await response.text()]).toEqual([200, 'hello web@test.example'])
      expect(response.covered).toEqual(['etag'])
      expect(asked).toEqual([expect.stringMatching(/^PUT authorization/)])
    },
  )

  it('may send every header that the protocol has for requests, and read every one that it has for responses', () => {
    const { asked, exposed } = createCorsPolicy(cors, { request: [], response: [] })
    const allowed = new Map(asked).get('access-control-allow-headers')?.split(', ') ?? []
    const read = exposed.split(', ')
    const known = Object.entries(headerNames)
      .filter(([name]) => /_HEADERS?$/.test(name))
      .flatMap(([, names]) => names)
    expect(known.length).toBeGreaterThan(15)
    const refused: readonly string[] = headerNames.OVERRIDE_HEADERS
    const forgotten = known.filter(name => ![...allowed, ...read, ...refused].includes(name))
    expect(forgotten).toEqual([])
    const missing = (names: readonly string[], list: readonly string[]) =>
      names.filter(name => !list.includes(name))
    expect(
      missing(['authorization', 'orthrus-accept', 'orthrus-covered', 'orthrus-credential'], allowed),
    ).toEqual([])
    expect(missing(['authentication-info', 'www-authenticate', 'content-encoding'], read)).toEqual([])
    expect(missing(headerNames.COVERED_RESPONSE_HEADERS, read)).toEqual([])
  })

  it('gets nowhere from another origin: its browser sends nothing', async () => {
    const { url, asked, page } = await start()
    await expect((await page(EVIL)).fetch(url)).rejects.toMatchObject({ code: 'unavailable' })
    expect(asked).toEqual(['GET authorization'])
  })
})
