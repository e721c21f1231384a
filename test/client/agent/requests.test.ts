import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import {
  Agent,
  Dispatcher,
  H2CClient,
  Pool,
  request,
  stream,
  FormData as UndiciFormData,
  fetch as undiciFetch,
  pipeline as undiciPipeline,
} from 'undici'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it, onTestFinished } from 'vitest'
import { failureOf } from '../../support/failure.js'
import { deliver } from '../../support/http-proxy.js'
import { startOrders } from './setting.js'

/** `realm.agent` under undici itself, over real sockets: what is sent. */

const orders = startOrders()
const connections = new Agent()
let dispatcher: Dispatcher.ComposedDispatcher
beforeAll(() => {
  dispatcher = orders.realm.agent(connections)
})
afterAll(() => connections.close())

const at = (path: string): string => `${orders.url}${path}`

describe('an agent', () => {
  it('has the type of what undici composes', () => {
    expectTypeOf(orders.realm.agent(connections)).toEqualTypeOf<Dispatcher.ComposedDispatcher>()
    expect(dispatcher).toBeInstanceOf(Dispatcher)
  })

  it('serves request', async () => {
    const { statusCode, headers, body, trailers } = await request(at('/a?b=c'), { dispatcher })
    expect([statusCode, await body.text(), trailers]).toEqual([200, 'web@test.example GET /a?b=c 0', {}])
    expect(headers['authentication-info']).toMatch(/^Orthrus /)
  })

  it('serves stream', async () => {
    const got: Buffer[] = []
    await stream(at('/a'), { dispatcher, method: 'POST', body: 'xyz' }, () => {
      return new Writable({ write: (chunk, _, done) => done(void got.push(chunk)) })
    })
    expect(String(Buffer.concat(got))).toBe('web@test.example POST /a 3')
  })

  it('serves pipeline', async () => {
    const both = undiciPipeline(at('/a'), { dispatcher, method: 'POST' }, ({ body }) => body)
    const [answer] = await Promise.all([
      text(both),
      pipeline(Readable.from([Buffer.from('abcd')]), both),
    ]).catch(async () => [await text(both)])
    expect(answer).toBe('web@test.example POST /a 4')
  })

  it('serves its own methods, over the pool that it was given', async () => {
    const pool = new Pool(orders.url)
    onTestFinished(() => pool.close())
    const agent = orders.realm.agent(pool)
    const options = { origin: orders.url, path: '/own', method: 'PUT', body: 'x' } as const
    expect(await (await agent.request(options)).body.text()).toBe('web@test.example PUT /own 1')
    expect(pool.stats.connected).toBe(1)
    expect(await failureOf(agent.request({ path: '/own', method: 'GET' }))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('origin'),
    })
  })

  it.each([
    ['the platform', globalThis.fetch as unknown as typeof undiciFetch],
    ['undici', undiciFetch],
  ])('serves fetch of %s', async (_, fetch) => {
    orders.answer = (_req, res, _ticket, { body }) =>
      res.writeHead(201, { 'set-cookie': ['a=1', 'b=2'], 'x-own': 'é' }).end(`got ${body}`)
    const response = await fetch(at('/a'), {
      dispatcher,
      method: 'POST',
      body: 'xyz',
      headers: { 'x-in': '1' },
    })
    expect([response.status, await response.text()]).toEqual([201, 'got xyz'])
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(response.headers.get('x-own')).toBe('é')
    expect(orders.last.headers).toMatchObject({ 'x-in': '1', 'content-type': 'text/plain;charset=UTF-8' })
    const request = new Request(at('/b'), {
      method: 'PUT',
      body: new Blob(['stream']).stream(),
      duplex: 'half',
    } as RequestInit)
    if (fetch !== undiciFetch)
      expect(await (await fetch(request as never, { dispatcher })).text()).toBe('got stream')
  })

  it('answers over HTTP/2 where the way to the service begins with it', async () => {
    const gateway = createHttp2Server(async (req, res) => {
      const headers = Object.entries(req.headers).filter(([name]) => !/^:|^content-length$/.test(name))
      const asked = {
        method: req.method,
        target: req.url,
        headers: [...headers, ['host', 'orders.test']] as [string, string][],
        body: await buffer(req),
      }
      const { status, headers: answered, body } = await deliver(orders.port, asked)
      const hop = ['connection', 'keep-alive', 'transfer-encoding', 'date']
      for (const [name, value] of answered) if (!hop.includes(name.toLowerCase())) res.setHeader(name, value)
      res.writeHead(status).end(body)
    })
    await new Promise<void>(resolve => gateway.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void gateway.close())
    const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
    const client = new H2CClient(url)
    onTestFinished(() => client.destroy())
    const agent = (await orders.connectTo(url)).agent(client)
    const { statusCode, body } = await request(`${url}/two`, {
      dispatcher: agent,
      method: 'POST',
      body: 'xyz',
    })
    expect([statusCode, await body.text()]).toEqual([200, 'web@test.example POST /two 3'])
  })
})

describe('the body of a request', () => {
  const form = (Form: typeof FormData): FormData => {
    const made = new Form()
    made.set('a', '1')
    made.append('file', new File(['content'], 'name.txt', { type: 'text/x' }))
    return made
  }
  const multipart = /^multipart\/form-data; boundary=/

  it.each<[string, unknown, string | RegExp, string | RegExp | undefined]>([
    ['text', 'äbc', 'äbc', undefined],
    ['a Buffer', Buffer.from('abc'), 'abc', undefined],
    ['a part of a typed array', new Uint8Array([120, 97, 98]).subarray(1), 'ab', undefined],
    ['an ArrayBuffer', new Uint8Array([97]).buffer, 'a', undefined],
    ['a Readable', Readable.from([Buffer.from('a'), Buffer.from('b')]), 'ab', undefined],
    ['a Readable of texts', Readable.from(['a', 'ö']), 'aö', undefined],
    ['a web stream', new Blob(['abc']).stream(), 'abc', undefined],
    ['an iterable', [Buffer.from('a'), Buffer.from('b')], 'ab', undefined],
    ['a Blob', new Blob(['abc'], { type: 'image/png' }), 'abc', 'image/png'],
    ['parameters', new URLSearchParams({ a: '1' }), 'a=1', /^application\/x-www-form-urlencoded/],
    ['a form', form(FormData), /content\r\n/, multipart],
    [
      'a form of undici',
      form(UndiciFormData as never),
      /name="file"; filename="name.txt"[\s\S]*content\r\n/,
      multipart,
    ],
    ['null', null, '', undefined],
  ])('may be %s', async (_, body, sent, type) => {
    const { statusCode } = await request(at('/'), { dispatcher, method: 'POST', body: body as Buffer })
    expect(statusCode).toBe(200)
    expect(String(orders.last.body)).toMatch(sent)
    const own = orders.last.headers['content-type']
    if (type === undefined) expect(own).toBeUndefined()
    else expect(own).toMatch(type)
  })

  it.each([
    ['text', 'abc'],
    ['a stream', Readable.from([Buffer.from('abc')])],
    ['a blob', new Blob(['abc'])],
  ])('of %s must have the length that the caller states', async (_, body) => {
    const state = (length: number, given: unknown) =>
      request(at('/'), {
        dispatcher,
        method: 'POST',
        headers: { 'Content-Length': String(length) },
        body: given as Buffer,
      })
    if (typeof body === 'string') {
      expect((await state(3, body)).statusCode).toBe(200)
      expect(orders.last.headers['content-length']).toBe('3')
    }
    expect(await failureOf(state(4, body))).toMatchObject({
      name: 'TypeError',
      message: 'the body has 3 bytes, and its content-length says 4',
    })
    expect(orders.arrived.length).toBe(typeof body === 'string' ? 1 : 0)
  })

  it.each<[string, Dispatcher.DispatchOptions['method'], unknown, object]>([
    ['an object', 'POST', { a: 1 }, { name: 'TypeError' }],
    ['a number', 'POST', 5, { name: 'TypeError' }],
    ['a body of GET', 'GET', 'x', { name: 'TypeError' }],
    ['more than the limit', 'POST', Buffer.alloc(70_000), { code: 'too_large', final: true }],
    [
      'a stream that fails',
      'POST',
      new Readable({
        read() {
          this.destroy(new Error('torn'))
        },
      }),
      { message: 'torn' },
    ],
    ['chunks that are no bytes', 'POST', Readable.from([1, 2]), { name: 'TypeError' }],
  ])('is never %s', async (_, method, body, expected) => {
    const failure = failureOf(request(at('/'), { dispatcher, method, body: body as Buffer }))
    expect(await failure).toMatchObject(expected)
    expect(orders.arrived).toEqual([])
  })
})

describe('what else is sent', () => {
  it.each<[string, unknown]>([
    ['an object', { 'x-one': '1', 'x-two': ['2', '3'], 'x-none': undefined, 'x-n': 4 }],
    ['a flat list', ['x-one', '1', 'x-two', '2', 'x-two', '3', 'x-n', '4']],
    [
      'a list of pairs',
      [
        ['x-one', '1'],
        ['x-two', ['2', '3']],
        ['x-n', '4'],
      ],
    ],
    [
      'Headers',
      new Headers([
        ['x-one', '1'],
        ['x-two', '2'],
        ['x-two', '3'],
        ['x-n', '4'],
      ]),
    ],
    [
      'a Map',
      new Map<string, unknown>([
        ['x-one', '1'],
        ['x-two', ['2', '3']],
        ['x-n', '4'],
      ]),
    ],
  ])('has headers of %s', async (_, headers) => {
    await request(at('/'), { dispatcher, headers: headers as Record<string, string> })
    expect(orders.last.headers).toMatchObject({ 'x-one': '1', 'x-two': '2, 3', 'x-n': '4' })
    expect(orders.last.headers).not.toHaveProperty('x-none')
    expect(orders.last.headers['accept-encoding']).toBe('identity')
  })

  it('has its query', async () => {
    const query = { a: 'b c', d: [1, true, null], ü: '&' }
    await request(at('/q'), { dispatcher, query })
    expect(orders.last.target).toBe('/q?a=b%20c&d=1&d=true&d=&%C3%BC=%26')
  })

  it('stays at its origin, whatever the path looks like', async () => {
    const options = { origin: orders.url, method: 'GET' } as const
    await dispatcher.request({ ...options, path: '//other.test/x' })
    expect(orders.last.target).toBe('//other.test/x')
    for (const path of ['.other.test/', '@other.test/', 'http://other.test/', ''])
      expect(await failureOf(dispatcher.request({ ...options, path }))).toBeInstanceOf(TypeError)
    expect(orders.arrived).toHaveLength(1)
  })

  it('covers the headers that the agent names, and is for the service that it names', async () => {
    const agent = orders.realm.agent(connections, { service: 'orders', cover: ['x-tenant'] })
    await request(at('/').replace('127.0.0.1', 'localhost'), {
      dispatcher: agent,
      headers: { 'x-tenant': 'a' },
    }).catch(() => undefined)
    await request(at('/'), { dispatcher: agent, headers: { 'x-tenant': 'a' } })
    expect(orders.last.headers['orthrus-covered']).toBe('x-tenant')
    const other = orders.realm.agent(connections, { service: 'nobody' })
    expect(await failureOf(request(at('/'), { dispatcher: other }))).toMatchObject({ code: 'policy_denied' })
  })

  it.each<[string, object, string]>([
    ['an upgrade', { upgrade: 'websocket', method: 'GET' }, 'realm.openChannel'],
    ['CONNECT', { method: 'CONNECT' }, 'realm.openChannel'],
    ['Authorization', { method: 'GET', headers: { authorization: 'Basic x' } }, 'sets Authorization itself'],
    [
      'a length that is none',
      { method: 'POST', body: '', headers: { 'content-length': '-1' } },
      'content-length',
    ],
    ['a flat list of headers that is odd', { method: 'GET', headers: ['a'] }, 'names and values in turn'],
    ['a header that is an object', { method: 'GET', headers: { a: {} } }, 'a text'],
    ['two queries', { method: 'GET', path: '/?a', query: { b: 1 } }, 'not in both'],
  ])('is never %s', async (_, options, message) => {
    const failed = new Promise((_, reject) => {
      const whole = { origin: orders.url, path: '/', ...options } as Dispatcher.DispatchOptions
      dispatcher.dispatch(whole, { onRequestStart: () => {}, onResponseError: (_, error) => reject(error) })
    })
    expect(await failureOf(failed)).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining(message),
    })
    expect(orders.arrived).toEqual([])
  })

  it('goes to a service that is named for the origin, or nowhere', async () => {
    expect(await failureOf(request('http://other.test/', { dispatcher }))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('no service is named for http://other.test'),
    })
  })

  it('keeps the timeouts that the caller sets for the connection', async () => {
    orders.answer = () => {}
    const failure = failureOf(request(at('/'), { dispatcher, headersTimeout: 1 }))
    expect(await failure).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('Headers Timeout'),
    })
  })
})

describe('what an agent is made of', () => {
  it.each([undefined, {}, { dispatch: () => true }])('is never %j', async given => {
    expect(() => orders.realm.agent(given as never)).toThrow(
      new TypeError('realm.agent takes a dispatcher of undici, which makes the connections: new Agent()'),
    )
  })

  it('is undici 7, and nothing that calls handlers in the earlier way', async () => {
    const old = {
      dispatch: () => true,
      compose: (made: (dispatch: unknown) => unknown) => ({ dispatch: made(old.dispatch) }),
    }
    const { dispatch } = orders.realm.agent(old as never) as Dispatcher
    expect(() => dispatch({ origin: orders.url, path: '/', method: 'GET' }, { onConnect: () => {} })).toThrow(
      /undici 7/,
    )
  })

  it('has no option that does not exist', () => {
    expect(() => orders.realm.agent(connections, { services: 'orders' } as object)).toThrow(
      new TypeError('agent has no option "services"; did you mean "service"?'),
    )
  })
})
