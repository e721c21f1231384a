import { Readable } from 'node:stream'
import { AxiosError, type AxiosInstance } from 'axios'
import { type Got, HTTPError, RequestError } from 'got'
import { beforeAll, describe, expect, it } from 'vitest'
import { axiosOver } from '../../examples/callers/over-axios.js'
import { gotOver } from '../../examples/callers/over-got.js'
import { startOrders } from '../client/agent/setting.js'
import { failureOf } from '../support/failure.js'
import { HttpProxy } from '../support/http-proxy.js'

/** The recipes of examples/callers, under the real packages. */

const orders = startOrders()
let axios: AxiosInstance
let got: Got
beforeAll(() => {
  axios = axiosOver(orders.realm, { baseURL: orders.url })
  got = gotOver(orders.realm).extend({
    prefixUrl: orders.url,
    retry: { limit: 2, calculateDelay: ({ computedValue }) => Math.min(computedValue, 1) },
  })
})

/** The same client where somebody on the way changes answers. */
async function behindForger() {
  const proxy = await HttpProxy.start(orders.port)
  proxy.intercept = async (asked, forward) => ({ ...(await forward(asked)), body: Buffer.from('forged') })
  return { realm: await orders.connectTo(proxy.url), url: `${proxy.url}/` }
}

describe('axios', () => {
  it('asks with parameters, and gets what was answered', async () => {
    orders.answer = (_req, res) =>
      res.writeHead(200, { 'content-type': 'application/json', 'x-own': '1' }).end('{"a":1}')
    const { status, data, headers } = await axios.get('/orders', {
      params: { b: 'c d' },
      headers: { 'x-in': '2' },
    })
    expect([status, data, headers['x-own']]).toEqual([200, { a: 1 }, '1'])
    expect(orders.last).toMatchObject({ client: 'web@test.example', method: 'GET', target: '/orders?b=c+d' })
    expect(orders.last.headers['x-in']).toBe('2')
  })

  it.each<[string, unknown, string | RegExp, RegExp]>([
    ['an object', { a: 1 }, '{"a":1}', /^application\/json/],
    ['text', 'abc', 'abc', /./],
    ['bytes', new Uint8Array([97]), 'a', /./],
    ['parameters', new URLSearchParams({ a: '1' }), 'a=1', /urlencoded/],
    ['a stream', Readable.from([Buffer.from('ab')]), 'ab', /./],
  ])('sends %s', async (_, body, sent, type) => {
    expect((await axios.post('/', body)).status).toBe(200)
    expect(String(orders.last.body)).toMatch(sent)
    expect(orders.last.headers['content-type']).toMatch(type)
  })

  it('sends forms', async () => {
    const form = new FormData()
    form.set('a', '1')
    const headers = { 'content-type': 'multipart/form-data' }
    for (const { status } of [
      await axios.post('/', form, { headers }),
      await axios.postForm('/', { a: 1 }),
    ]) {
      expect(status).toBe(200)
      expect(String(orders.last.body)).toMatch(/name="a"\r\n\r\n1\r\n/)
      expect(orders.last.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
    }
  })

  it('takes the options of realm.fetch', async () => {
    const options = { headers: { 'x-tenant': 'a' }, fetchOptions: { cover: ['x-tenant'] } }
    expect((await axios.put('/', 'x', options)).status).toBe(200)
    expect(orders.last.headers['orthrus-covered']).toBe('x-tenant')
  })

  it('fails as axios does, with the code of the realm', async () => {
    orders.answer = (_req, res) => res.writeHead(404).end('none')
    expect(await failureOf(axios.get('/'))).toMatchObject({
      code: 'ERR_BAD_REQUEST',
      response: { status: 404 },
    })
    const { realm, url } = await behindForger()
    const failure = await failureOf(axiosOver(realm).get(url))
    expect(failure).toBeInstanceOf(AxiosError)
    expect(failure).toMatchObject({ code: 'response_unproved', cause: { name: 'OrthrusError' } })
  })

  it('is aborted, and has its timeout', async () => {
    orders.answer = () => {}
    const aborting = new AbortController()
    const failure = failureOf(axios.get('/', { signal: aborting.signal }))
    await expect.poll(() => orders.arrived.length).toBe(1)
    aborting.abort()
    expect(await failure).toMatchObject({ code: 'ERR_CANCELED' })
    expect(await failureOf(axios.get('/', { timeout: 1 }))).toMatchObject({ code: 'ETIMEDOUT' })
  })

  it('follows the redirects that realm.fetch follows', async () => {
    orders.answer = (req, res) =>
      req.url === '/old' ? res.writeHead(302, { location: '/new' }).end() : res.end(req.url)
    expect((await axios.get('/old')).data).toBe('/new')
  })
})

describe('got', () => {
  it('asks with parameters, and gets what was answered', async () => {
    orders.answer = (_req, res) =>
      res.writeHead(200, { 'x-own': '1', 'set-cookie': ['a=1', 'b=2'] }).end('{"a":1}')
    const options = { searchParams: { b: 'c d' }, headers: { 'x-in': ['2', '3'] } }
    const response = await got('orders', { ...options, responseType: 'json' })
    expect([response.statusCode, response.body, response.headers['x-own']]).toEqual([200, { a: 1 }, '1'])
    expect(response.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(orders.last).toMatchObject({ client: 'web@test.example', method: 'GET', target: '/orders?b=c+d' })
    expect(orders.last.headers['x-in']).toBe('2, 3')
  })

  const form = new FormData()
  form.set('a', '1')
  it.each<[string, object, string | RegExp, RegExp | undefined]>([
    ['an object', { json: { a: 1 } }, '{"a":1}', /^application\/json/],
    ['a form of texts', { form: { a: '1' } }, 'a=1', /urlencoded/],
    ['text', { body: 'abc' }, 'abc', undefined],
    ['bytes', { body: new Uint8Array([97]) }, 'a', undefined],
    ['a form', { body: form }, /name="a"/, /^multipart\/form-data; boundary=/],
    ['a stream', { body: Readable.from([Buffer.from('ab')]) }, 'ab', undefined],
  ])('sends %s', async (_, options, sent, type) => {
    expect((await got.post('', options)).statusCode).toBe(200)
    expect(String(orders.last.body)).toMatch(sent)
    if (type !== undefined) expect(orders.last.headers['content-type']).toMatch(type)
  })

  it('gives a stream of what was proved', async () => {
    const pieces: Buffer[] = []
    for await (const piece of got.stream('a')) pieces.push(piece as Buffer)
    expect(String(Buffer.concat(pieces))).toBe('web@test.example GET /a 0')
  })

  it('fails as got does, with the code of the realm', async () => {
    orders.answer = (_req, res) => res.writeHead(404).end('none')
    const failed = (await failureOf(got(''))) as HTTPError
    expect(failed).toBeInstanceOf(HTTPError)
    expect(failed.response).toMatchObject({ statusCode: 404, body: 'none' })
    const { realm, url } = await behindForger()
    const failure = await failureOf(gotOver(realm)(url))
    expect(failure).toBeInstanceOf(RequestError)
    expect(failure).toMatchObject({ code: 'response_unproved', cause: { name: 'OrthrusError' } })
  })

  it('tries again by its own rules, signed again, with the same bytes of a stream', async () => {
    let times = 0
    orders.answer = (_req, res) => res.writeHead(times++ === 0 ? 503 : 200).end('x')
    expect((await got.put('', { body: Readable.from([Buffer.from('abc')]) })).body).toBe('x')
    expect(orders.arrived.map(({ body }) => String(body))).toEqual(['abc', 'abc'])
    expect(new Set(orders.arrived.map(({ headers }) => headers.authorization)).size).toBe(2)
    expect(orders.refused).toEqual([])
  })

  it('follows redirects by its own rules, signed again, with the same bytes', async () => {
    orders.answer = (req, res, _ticket, { body }) =>
      req.url === '/old' ? res.writeHead(307, { location: '/new' }).end() : res.end(`${req.url} ${body}`)
    expect(
      (await got.post('old', { body: Readable.from([Buffer.from('abc')]), methodRewriting: false })).body,
    ).toBe('/new abc')
    orders.answer = (_req, res) => res.writeHead(302, { location: 'http://other.test/' }).end()
    expect(await failureOf(got('old'))).toMatchObject({
      message: expect.stringContaining('no service is named for http://other.test'),
    })
  })

  it('is aborted, and has its timeout for a request', async () => {
    orders.answer = () => {}
    const aborting = new AbortController()
    const failure = failureOf(got('', { signal: aborting.signal }))
    await expect.poll(() => orders.arrived.length).toBe(1)
    aborting.abort()
    expect(await failure).toMatchObject({ code: 'ERR_ABORTED' })
    expect(await failureOf(got('', { timeout: { request: 1 } }))).toBeInstanceOf(RequestError)
  })

  it('takes the options of realm.fetch', async () => {
    const covering = gotOver(orders.realm, { service: 'orders', cover: ['x-tenant'] })
    expect((await covering(orders.url, { headers: { 'x-tenant': 'a' } })).statusCode).toBe(200)
    expect(orders.last.headers['orthrus-covered']).toBe('x-tenant')
  })
})
