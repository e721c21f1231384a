import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RealmFetchInit } from '../../client/realm-options.js'
import {
  COVERED_REQUEST_HEADERS,
  CREDENTIAL_HEADER,
  OVERRIDE_HEADERS,
} from '../../shared/http/header-names.js'
import { type Captured, headerOf, withHeader } from '../support/http-proxy.js'
import { type Answerer, expectRefused, failureOf, startWorld, type World } from '../support/world.js'

const POST = {
  method: 'POST',
  body: 'pay 5',
  headers: { 'content-type': 'text/plain', 'if-match': '"7"', range: 'bytes=0-9' },
} as const
const TARGET = '/orders/7?to=ann&sum=5'

/** The client asks for this, and something else arrives. */
async function swap(
  world: World,
  change: (request: Captured) => Captured,
  init: RealmFetchInit = POST,
): Promise<unknown> {
  const { web, http } = world
  http.intercept = (request, forward) => forward(change(request))
  return failureOf(web.fetch(`${http.url}${TARGET}`, init))
}

const swaps: Record<string, (request: Captured) => Captured> = {
  'body: another of the same length': request => ({ ...request, body: Buffer.from('pay 9') }),
  'body: longer': request => ({ ...request, body: Buffer.from('pay 50') }),
  'body: shorter': request => ({ ...request, body: Buffer.from('pay') }),
  'body: none': request => ({ ...request, body: Buffer.alloc(0) }),
  'method: PUT': request => ({ ...request, method: 'PUT' }),
  'method: DELETE': request => ({ ...request, method: 'DELETE' }),
  'method: GET': request => ({ ...request, method: 'GET' }),
  'path: another': request => ({ ...request, target: '/orders/8?to=ann&sum=5' }),
  'path: above': request => ({ ...request, target: '/?to=ann&sum=5' }),
  'path: the same in other letters': request => ({ ...request, target: '/orders/%37?to=ann&sum=5' }),
  'path: the same by a detour': request => ({ ...request, target: '/x/../orders/7?to=ann&sum=5' }),
  'path: the same with a slash doubled': request => ({ ...request, target: '//orders/7?to=ann&sum=5' }),
  'path: the same with a slash more': request => ({ ...request, target: '/orders/7/?to=ann&sum=5' }),
  'path: the same as a whole URL': request => ({ ...request, target: `http://localhost${TARGET}` }),
  'query: another value': request => ({ ...request, target: '/orders/7?to=eve&sum=5' }),
  'query: more of it': request => ({ ...request, target: `${TARGET}&to=eve` }),
  'query: another order': request => ({ ...request, target: '/orders/7?sum=5&to=ann' }),
  'query: none': request => ({ ...request, target: '/orders/7' }),
  'query: a fragment behind it': request => ({ ...request, target: `${TARGET}%23` }),
}

describe('a request that is swapped on its way', () => {
  it('is handled if nothing that is bound changed, however it is framed', async () => {
    const world = await startWorld()
    const { web, http, orders } = world
    http.intercept = (request, forward) => forward(withHeader(request, 'x-forwarded-for', '203.0.113.9'))
    expect((await web.fetch(`${http.url}${TARGET}`, POST)).status).toBe(200)
    expect(orders.handled.map(({ body }) => body)).toEqual(['pay 5'])
  })

  it.each(Object.entries(swaps))('%s', async (_, change) => {
    const world = await startWorld()
    const failure = await swap(world, change)
    expect(failure).toMatchObject({
      code: 'binding_mismatch',
      final: true,
      facts: { service: expect.any(String) },
    })
    const { orders, http } = world
    expect(orders.handled).toHaveLength(0)
    expectRefused(
      http.answered[0] ?? { status: 0, headers: [], body: Buffer.alloc(0) },
      'binding_mismatch',
      '06',
    )
    // It was refused for good, as the client learnt: the original cannot be handled any more.
    expect(http.captured).toHaveLength(1)
    expectRefused(await orders.deliver(http.last), 'replay', '06')
    expect(orders.handled).toHaveLength(0)
  })
})

describe.each(COVERED_REQUEST_HEADERS)('the covered header %s', name => {
  /** A request of the client's that has the header, or has it not. Of bytes the platform says no type. */
  async function request({ web }: World, sent: boolean): Promise<RealmFetchInit> {
    const init = { method: 'POST', body: new Uint8Array(2) }
    if (!sent) return init
    if (name !== CREDENTIAL_HEADER) return { ...init, headers: { [name]: '"x"' } }
    return { ...init, handOff: (await web.getServiceTicket('orders')).attenuate({ to: 'orders' }) }
  }

  it('is refused for good if it was added, changed or removed', async () => {
    const world = await startWorld()
    const { orders, http } = world
    const cases: [boolean, string | undefined][] = [
      [false, 'other'],
      [true, 'other'],
      [true, undefined],
    ]
    for (const [sent, arriving] of cases) {
      const change = (captured: Captured): Captured => withHeader(captured, name, arriving)
      const failure = await swap(world, change, await request(world, sent))
      expect(failure).toMatchObject({ code: 'binding_mismatch', final: true })
      expectRefused(await orders.deliver(http.last), 'replay', '06')
    }
    expect(http.captured).toHaveLength(3)
    expect(orders.handled).toHaveLength(0)
  })

  it('is malformed if it comes twice, and leaves no trace', async () => {
    const world = await startWorld()
    const { orders, http } = world
    for (const second of [undefined, 'other']) {
      const double = (captured: Captured): Captured => {
        const value = second ?? headerOf(captured, name) ?? ''
        return { ...captured, headers: [...captured.headers, [name.toUpperCase(), value]] }
      }
      const before = orders.handled.length
      const failure = await swap(world, double, await request(world, true))
      // Nobody has proved that, and the original can still be handled: the client gets neither a yes nor a no.
      expect(failure).toMatchObject({
        code: 'refused_unproved',
        final: false,
        facts: { claimed: 'malformed' },
      })
      expect(orders.handled).toHaveLength(before)
      expect((await orders.deliver(http.last)).status).toBe(200)
      expectRefused(await orders.deliver(http.last), 'replay', '06')
      expect(orders.handled).toHaveLength(before + 1)
    }
  })
})

describe('a header that frameworks take for another method or path', () => {
  it.each(OVERRIDE_HEADERS)('%s is malformed if it was inserted on the way', async name => {
    const world = await startWorld()
    for (const spelling of [name, name.toUpperCase()]) {
      const add = (request: Captured): Captured => ({
        ...request,
        headers: [...request.headers, [spelling, name.includes('url') ? '/admin' : 'DELETE']],
      })
      const failure = await swap(world, add)
      expect(failure).toMatchObject({
        code: 'refused_unproved',
        final: false,
        facts: { claimed: 'malformed' },
      })
      expect(world.orders.handled).toHaveLength(0)
    }
  })

  it.each(OVERRIDE_HEADERS)('%s is not sent by a client', async name => {
    const { web, http } = await startWorld()
    const sent = web.fetch(http.url, { headers: { [name]: 'DELETE' } })
    await expect(sent).rejects.toThrow(TypeError)
    expect(http.captured).toHaveLength(0)
  })
})

describe('a second Authorization', () => {
  it.each(['before', 'behind'])('%s the client’s is malformed', async where => {
    const world = await startWorld()
    const own = ['authorization', 'Bearer x'] as const
    const failure = await swap(world, request => ({
      ...request,
      headers: where === 'before' ? [own, ...request.headers] : [...request.headers, own],
    }))
    expect(failure).toMatchObject({ code: 'refused_unproved', final: false })
    expect(world.orders.handled).toHaveLength(0)
  })

  it('in place of the client’s, and no Authorization at all, reach no handler', async () => {
    for (const value of ['Bearer x', undefined]) {
      const world = await startWorld()
      const failure = await swap(world, request => withHeader(request, 'authorization', value))
      expect(failure).toMatchObject({ code: 'response_unproved', final: false })
      expect(world.orders.handled).toHaveLength(0)
    }
  })
})

describe('more headers than Node keeps of a request', () => {
  const many = (count: number): [string, string][] => Array.from({ length: count }, () => ['a', 'b'])
  const crowd = (request: Captured, count: number): Captured => ({
    ...request,
    headers: [...request.headers, ...many(count)],
  })

  // Where Node begins to drop them depends on how they arrive, so all places around its limit are tried.
  const COUNTS = [980, 985, 990, 995, 1_000, 1_005, 1_010, 1_050, 2_000, 3_000]

  it('hide no body, put in behind them, from the binding', async () => {
    const world = await startWorld()
    for (const count of COUNTS) {
      const inject = (request: Captured): Captured => ({
        ...crowd(request, count),
        body: Buffer.from('evil'),
      })
      const failure = await swap(world, inject, { method: 'POST' })
      expect(failure, `${count} headers`).toMatchObject({ name: 'OrthrusError' })
    }
    expect(world.orders.handled).toEqual([])
  })

  it('hide no covered header, moved behind them, from the handler', async () => {
    const seen: (string | undefined)[] = []
    const world = await startWorld({
      answer: (req, res) => {
        seen.push(req.headers['if-match'])
        res.end()
      },
    })
    const init = { method: 'POST', headers: { 'if-match': '"7"' } }
    for (const count of COUNTS) {
      const hide = (request: Captured): Captured => {
        return withHeader(crowd(withHeader(request, 'if-match'), count), 'if-match', '"7"')
      }
      world.http.intercept = (request, forward) => forward(hide(request))
      await world.web.fetch(`${world.http.url}${TARGET}`, init).catch(() => {})
    }
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.every(value => value === '"7"')).toBe(true)
  })

  it('are fewer where the owner of a server says so', async () => {
    const world = await startWorld({ maxHeadersCount: 50 })
    const inject = (request: Captured): Captured => ({ ...crowd(request, 50), body: Buffer.from('evil') })
    const failure = await swap(world, inject, { method: 'POST' })
    expect(failure).toMatchObject({ code: 'refused_unproved', facts: { claimed: 'malformed' } })
    expect(world.orders.handled).toEqual([])
  })
})

/** A server of the attacker's that counts requests. */
async function elsewhere(): Promise<{ url: string; came: string[] }> {
  const came: string[] = []
  const server = createServer((req, res) => {
    came.push(`${req.method} ${req.url} ${req.headers.authorization ?? ''}`)
    res.end('yours')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, came }
}

describe('a redirect', () => {
  const redirecting =
    (to: () => string, status = 302): Answerer =>
    (req, res) => {
      if (req.url === '/new') res.end('new')
      else res.writeHead(status, { location: to() }).end()
    }

  it('by the service to another origin is given to the caller and not followed', async () => {
    const evil = await elsewhere()
    const { web, http, orders } = await startWorld({ answer: redirecting(() => evil.url) })
    const response = await web.fetch(`${http.url}/old`)
    expect([response.status, response.headers.get('location')]).toEqual([302, evil.url])
    expect([evil.came, orders.handled.length]).toEqual([[], 1])
  })

  it('within the service is followed with a new proof, and refused with a forged Location', async () => {
    const evil = await elsewhere()
    const { web, http, orders } = await startWorld({ answer: redirecting(() => '/new') })
    expect(await (await web.fetch(`${http.url}/old`)).text()).toBe('new')
    expect(orders.handled.map(({ target }) => target)).toEqual(['/old', '/new'])
    for (const forged of [evil.url, '/admin', `${http.url}/admin`, undefined]) {
      http.intercept = async (request, forward) => withHeader(await forward(request), 'location', forged)
      const failure = await failureOf(web.fetch(`${http.url}/old`))
      expect(failure).toMatchObject({ code: 'response_unproved', final: false })
    }
    http.intercept = async (request, forward) => {
      const response = await forward(request)
      return { ...response, headers: [...response.headers, ['location', '/admin']] }
    }
    expect(await failureOf(web.fetch(`${http.url}/old`))).toMatchObject({ code: 'response_unproved' })
    expect(evil.came).toEqual([])
    expect(orders.handled.slice(2).map(({ target }) => target)).toEqual(Array(5).fill('/old'))
  })

  it('that the service never sent is refused', async () => {
    const evil = await elsewhere()
    const { web, http, orders } = await startWorld()
    for (const location of [evil.url, '/admin']) {
      for (const status of [301, 302, 303, 307, 308]) {
        http.intercept = () => ({ status, headers: [['location', location]], body: Buffer.alloc(0) })
        const failure = await failureOf(web.fetch(`${http.url}/old`))
        expect(failure).toMatchObject({ code: 'response_unproved', final: false })
      }
    }
    expect([evil.came, orders.handled.length, http.captured.length]).toEqual([[], 0, 10])
  })

  it.each([301, 302, 303, 307, 308])('%d of a POST is not followed', async status => {
    const { web, http, orders } = await startWorld({ answer: redirecting(() => '/new', status) })
    const response = await web.fetch(`${http.url}/old`, POST)
    expect(response.status).toBe(status)
    expect(orders.handled.map(({ target }) => target)).toEqual(['/old'])
  })
})
