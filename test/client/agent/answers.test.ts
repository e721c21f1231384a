import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import {
  Agent,
  type Dispatcher,
  errors,
  interceptors,
  RetryAgent,
  request,
  fetch as undiciFetch,
} from 'undici'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { failureOf } from '../../support/failure.js'
import {
  deliver,
  type HttpInterceptor,
  HttpProxy,
  type Relayed,
  withHeader,
} from '../../support/http-proxy.js'
import { turns } from '../../support/turns.js'
import { startOrders } from './setting.js'

/** `realm.agent` under undici itself, over real sockets: what comes back, and what never does. */

const orders = startOrders()
const connections = new Agent()
let dispatcher: Dispatcher.ComposedDispatcher
beforeAll(() => {
  dispatcher = orders.realm.agent(connections)
})
afterAll(() => connections.close())

const at = (path: string): string => `${orders.url}${path}`

/** What a handler of undici is told, one call after the other. */
function told(agent: Dispatcher, url: string, method = 'GET'): Promise<[string, unknown?][]> {
  return new Promise(resolve => {
    const calls: [string, unknown?][] = []
    const { origin, pathname: path } = new URL(url)
    agent.dispatch(
      { origin, path, method },
      {
        onRequestStart: () => void calls.push(['start']),
        onResponseStart: (_, status) => void calls.push(['head', status]),
        onResponseData: (_, chunk) => void calls.push(['data', String(chunk)]),
        onResponseEnd: (_, trailers) => resolve([...calls, ['end', trailers]]),
        onResponseError: (_, error) => resolve([...calls, ['error', error]]),
      },
    )
  })
}

/** The same client behind a network that an attacker controls. */
async function behind(intercept: HttpInterceptor, pool: Dispatcher = connections) {
  const proxy = await HttpProxy.start(orders.port)
  proxy.intercept = intercept
  const realm = await orders.connectTo(proxy.url)
  return { proxy, url: `${proxy.url}/orders`, realm, agent: realm.agent(pool) }
}

describe('a handler', () => {
  it('is told what was proved', async () => {
    expect(await told(dispatcher, at('/a'))).toEqual([
      ['start'],
      ['head', 200],
      ['data', 'web@test.example GET /a 0'],
      ['end', {}],
    ])
  })

  it('is told each cookie by itself', async () => {
    orders.answer = (_req, res) => res.writeHead(200, { 'set-cookie': ['a=1', 'b=2'], 'x-own': '1' }).end()
    const answered = new Promise(resolve => {
      const onResponseStart = (given: Dispatcher.DispatchController, _: number, headers: object): void =>
        resolve({ ...headers, raw: String(given.rawHeaders) })
      const options = { origin: orders.url, path: '/', method: 'GET' }
      dispatcher.dispatch(options, { onRequestStart: () => {}, onResponseStart })
    })
    expect(await answered).toMatchObject({
      'set-cookie': ['a=1', 'b=2'],
      'x-own': '1',
      raw: expect.stringContaining('set-cookie,a=1,set-cookie,b=2,'),
    })
    expect((await request(at('/'), { dispatcher })).headers['set-cookie']).toEqual(['a=1', 'b=2'])
  })

  it.each<[string, (answer: Relayed) => Relayed]>([
    ['another body', answer => ({ ...answer, body: Buffer.from(String(answer.body).replace('web', 'eve')) })],
    ['another status', answer => ({ ...answer, status: 201 })],
    ['another content type', answer => withHeader(answer, 'content-type', 'text/html')],
    ['no proof', answer => withHeader(answer, 'authentication-info')],
    ['an encoded body', answer => withHeader(answer, 'content-encoding', 'gzip')],
  ])('is told nothing of an answer with %s', async (_, change) => {
    const { agent, url, realm } = await behind(async (asked, forward) => change(await forward(asked)))
    const calls = await told(agent, url)
    expect(calls).toEqual([['start'], ['error', expect.objectContaining({ code: 'response_unproved' })]])
    const failure = await failureOf(realm.fetch(url))
    expect(calls[1]?.[1]).toMatchObject({ message: (failure as Error).message })
  })

  it('is told nothing of the answer to another request', async () => {
    let first: Relayed | undefined
    const { agent, url } = await behind(async (asked, forward) => {
      first ??= await forward(asked)
      return first
    })
    expect((await told(agent, url)).at(-1)).toEqual(['end', {}])
    expect(await told(agent, url)).toEqual([
      ['start'],
      ['error', expect.objectContaining({ code: 'response_unproved' })],
    ])
  })

  it('is told nothing of early hints and trailers, which nothing proves', async () => {
    const url = await orders.listen(async (req, res) => {
      const headers = Object.entries(req.headers) as [string, string][]
      const asked = { method: 'GET', target: req.url ?? '', headers, body: Buffer.alloc(0) }
      const answer = withHeader(await deliver(orders.port, asked), 'content-length')
      res.writeEarlyHints({ link: '</forged.css>; rel=preload' })
      res.writeHead(answer.status, [...answer.headers, ['trailer', 'x-sum']].flat())
      res.addTrailers({ 'x-sum': 'forged' })
      res.end(answer.body)
    })
    const onInfo = vi.fn()
    const plain = await request(url, { dispatcher: connections, onInfo })
    expect([await plain.body.text(), plain.trailers]).toEqual([expect.anything(), { 'x-sum': 'forged' }])
    expect(onInfo).toHaveBeenCalledTimes(1)
    const agent = (await orders.connectTo(url)).agent(connections)
    const { body, trailers } = await request(`${url}/a`, { dispatcher: agent, onInfo })
    expect([await body.text(), trailers]).toEqual(['web@test.example GET /a 0', {}])
    expect(onInfo).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
    ['POST', 204],
  ])('is told the end of an answer to %s with %i at once', async (method, status) => {
    orders.answer = (_req, res) =>
      res.writeHead(status, { etag: '"1"' }).end(method === 'HEAD' ? 'hello' : undefined)
    expect(await told(dispatcher, at('/'), method)).toEqual([['start'], ['head', status], ['end', {}]])
  })

  it('that throws is told so', async () => {
    const failed = new Promise((_, reject) => {
      dispatcher.dispatch(
        { origin: orders.url, path: '/', method: 'GET' },
        {
          onRequestStart: () => {},
          onResponseStart: () => {
            throw new Error('not wanted')
          },
          onResponseError: (_, error) => reject(error),
        },
      )
    })
    expect(await failureOf(failed)).toMatchObject({ message: 'not wanted' })
  })
})

describe('an error', () => {
  it('is that of realm.fetch, and in fetch its cause', async () => {
    orders.answer = (_req, res) => res.end(Buffer.alloc(70_000))
    const expected = { name: 'OrthrusError', code: 'too_large', final: false }
    expect(await failureOf(orders.realm.fetch(at('/')))).toMatchObject(expected)
    expect(await failureOf(request(at('/'), { dispatcher }))).toMatchObject(expected)
    const platform = globalThis.fetch as unknown as typeof undiciFetch
    for (const fetch of [platform, undiciFetch])
      expect(await failureOf(fetch(at('/'), { dispatcher }))).toMatchObject({ cause: expected })
  })

  it('says that nothing listens, or that the connections were closed', async () => {
    const away = createServer()
    await new Promise<void>(resolve => away.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(away.address() as AddressInfo).port}`
    await new Promise(resolve => away.close(resolve))
    const realm = await orders.connectTo(url)
    const gone = await failureOf(request(url, { dispatcher: realm.agent(connections) }))
    expect(gone).toMatchObject({ code: 'unavailable', message: expect.stringContaining('start orders') })
    const pool = new Agent()
    const agent = orders.realm.agent(pool)
    await agent.close()
    expect(pool.closed).toBe(true)
    expect(await failureOf(request(at('/'), { dispatcher: agent }))).toMatchObject({ code: 'unavailable' })
  })

  it('says that the realm was closed', async () => {
    const realm = await orders.connectTo(orders.url)
    const agent = realm.agent(connections)
    realm.close()
    expect(await failureOf(request(at('/'), { dispatcher: agent }))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('the realm was closed'),
    })
  })
})

const retrying = { minTimeout: 0, maxTimeout: 0, maxRetries: 2 }

describe('a retry', () => {
  it('of an agent signs again', async () => {
    let times = 0
    orders.answer = (_req, res) => {
      times++
      res.writeHead(times < 3 ? 503 : 200).end(String(times))
    }
    const agent = new RetryAgent(dispatcher, retrying)
    const { statusCode, body } = await request(at('/'), { dispatcher: agent, method: 'PUT', body: 'x' })
    expect([statusCode, await body.text()]).toEqual([200, '3'])
    expect(new Set(orders.arrived.map(({ headers }) => headers.authorization)).size).toBe(3)
    expect(orders.refused).toEqual([])
  })

  it('never repeats what may have been handled, unless it is told to', async () => {
    const lose: HttpInterceptor = async (asked, forward) => {
      await forward(asked)
      throw new Error('lost')
    }
    const { agent, url } = await behind(lose)
    const once = new RetryAgent(agent, retrying)
    expect(await failureOf(request(url, { dispatcher: once }))).toMatchObject({
      code: 'unavailable',
      final: false,
    })
    expect(orders.arrived).toHaveLength(1)
    const again = new RetryAgent(agent, { ...retrying, errorCodes: ['unavailable'] })
    expect(await failureOf(request(url, { dispatcher: again, method: 'POST' }))).toMatchObject({
      code: 'unavailable',
    })
    expect(orders.arrived).toHaveLength(2)
    await failureOf(request(url, { dispatcher: again }))
    expect(orders.arrived.length).toBeGreaterThan(3)
    expect(new Set(orders.arrived.map(({ headers }) => headers.authorization)).size).toBe(
      orders.arrived.length,
    )
    expect(orders.refused).toEqual([])
  })

  it('below an agent sends a replay, which is refused', async () => {
    orders.answer = (_req, res) => res.writeHead(503).end()
    const below = new RetryAgent(connections, { ...retrying, throwOnError: false })
    const failure = failureOf(request(at('/'), { dispatcher: orders.realm.agent(below), method: 'PUT' }))
    expect(await failure).toMatchObject({ code: 'replay', final: false })
    expect(orders.arrived).toHaveLength(1)
    expect(orders.refused).toMatchObject([{ code: 'replay' }])
  })
})

describe('a redirect', () => {
  const following = () => dispatcher.compose(interceptors.redirect({ maxRedirections: 3 }))

  it.each([307, 308])('with %i is followed by an interceptor, signed again with its body', async status => {
    orders.answer = (req, res, _ticket, { body }) =>
      req.url === '/old' ? res.writeHead(status, { location: '/new' }).end() : res.end(`${req.url} ${body}`)
    const agent = following()
    const { body } = await request(at('/old'), { dispatcher: agent, method: 'POST', body: 'xyz' })
    expect(await body.text()).toBe('/new xyz')
    expect(orders.arrived).toHaveLength(2)
  })

  it('is left to whoever asks', async () => {
    orders.answer = (req, res) =>
      req.url === '/old' ? res.writeHead(302, { location: '/new' }).end() : res.end('here')
    expect((await request(at('/old'), { dispatcher })).statusCode).toBe(302)
    const followed = await undiciFetch(at('/old'), { dispatcher })
    expect([followed.url, await followed.text()]).toEqual([at('/new'), 'here'])
    const kept = await undiciFetch(at('/old'), { dispatcher, redirect: 'manual' })
    expect([kept.status, kept.headers.get('location')]).toEqual([302, '/new'])
  })

  it('goes nowhere that no service is named for, nor where somebody else wants', async () => {
    orders.answer = (_req, res) => res.writeHead(302, { location: 'http://other.test/' }).end()
    expect(await failureOf(request(at('/'), { dispatcher: following() }))).toMatchObject({
      message: expect.stringContaining('no service is named for http://other.test'),
    })
    const { agent, url } = await behind(async (asked, forward) =>
      withHeader(await forward(asked), 'location', '/elsewhere'),
    )
    expect(await failureOf(undiciFetch(url, { dispatcher: agent }))).toMatchObject({
      cause: { code: 'response_unproved' },
    })
    expect(orders.arrived).toHaveLength(2)
  })

  it('goes nowhere that somebody wants in whose place allowUnprotected takes answers', async () => {
    const forger = await orders.listen((_req, res) => res.writeHead(302, { location: at('/pay') }).end())
    const realm = await orders.kdc.connect('web', {
      services: { [forger]: 'orders', [orders.url]: 'orders' },
      allowUnprotected: [forger],
    })
    const agent = realm.agent(connections)
    expect(await failureOf(undiciFetch(forger, { dispatcher: agent }))).toMatchObject({
      cause: { code: 'response_unproved' },
    })
    expect(orders.arrived).toEqual([])
  })
})

describe('an abort', () => {
  it('before it is sent sends nothing', async () => {
    const reason = new Error('changed my mind')
    const signal = AbortSignal.abort(reason)
    expect(await failureOf(request(at('/'), { dispatcher, signal }))).toBe(reason)
    await turns(3)
    expect(orders.arrived).toEqual([])
  })

  it('ends what is under way, with its reason, and the connection', async () => {
    const closed = new Promise<void>(resolve => {
      orders.answer = req => void req.socket.once('close', () => resolve())
    })
    const aborting = new AbortController()
    const failure = failureOf(request(at('/'), { dispatcher, signal: aborting.signal }))
    await expect.poll(() => orders.arrived.length).toBe(1)
    const reason = new Error('too late')
    aborting.abort(reason)
    expect(await failure).toBe(reason)
    await closed
  })

  it('is no pause: what comes then is told later, the end too', async () => {
    const calls: string[] = []
    let controller: Dispatcher.DispatchController | undefined
    const ended = new Promise<void>(resolve => {
      const pausing = (call: string) => (given: Dispatcher.DispatchController) => {
        calls.push(call)
        controller = given
        given.pause()
        if (call === 'end') resolve()
      }
      dispatcher.dispatch(
        { origin: orders.url, path: '/', method: 'GET' },
        {
          onRequestStart: () => {},
          onResponseStart: pausing('head'),
          onResponseData: pausing('data'),
          onResponseEnd: pausing('end'),
        },
      )
    })
    for (const known of [['head'], ['head', 'data']]) {
      await expect.poll(() => calls).toEqual(known)
      await turns(3)
      expect(calls).toEqual(known)
      controller?.resume()
    }
    await ended
    expect(calls).toEqual(['head', 'data', 'end'])
  })

  it('ends an answer that is not read on, and does nothing behind its end', async () => {
    const calls: unknown[] = []
    let began = (_: Dispatcher.DispatchController): void => {}
    const beginning = new Promise<Dispatcher.DispatchController>(resolve => {
      began = resolve
    })
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => {},
      onResponseStart: controller => {
        controller.pause()
        began(controller)
      },
      onResponseData: () => void calls.push('data'),
      onResponseError: (_, error) => void calls.push(error),
    }
    dispatcher.dispatch({ origin: orders.url, path: '/', method: 'GET' }, handler)
    const controller = await beginning
    await turns(3)
    expect([controller.paused, controller.aborted, controller.reason, calls]).toEqual([true, false, null, []])
    const reason = new Error('enough')
    controller.abort(reason)
    await turns(3)
    expect([controller.aborted, controller.reason, calls]).toEqual([true, reason, [reason]])
    controller.resume()
    controller.abort(new Error('again'))
    await turns(3)
    expect([controller.reason, calls]).toEqual([reason, [reason]])
  })
})

describe('a sealed body', () => {
  const sealed = () => orders.realm.agent(connections, { sealed: true })

  it('goes both ways, at more than the limits, and waits for a slow reader', async () => {
    const SIZE = 4 * 2 ** 20
    let written = 0
    orders.answer = async (_req, res, _ticket, { body }) => {
      expect(body).toHaveLength(70_000)
      for (; written < SIZE; written += 65_536)
        if (!res.write(Buffer.alloc(65_536, 7))) await new Promise(resolve => res.once('drain', resolve))
      res.end()
    }
    const body = Readable.from([Buffer.alloc(70_000)])
    const answer = await request(at('/'), { dispatcher: sealed(), method: 'POST', body })
    expect(answer.headers).not.toHaveProperty('content-encoding')
    let read = 0
    for await (const chunk of answer.body) {
      if (read === 0) await turns(20)
      read += (chunk as Buffer).length
    }
    expect(read).toBe(SIZE)
  })

  it('that a handler throws on is read no further', async () => {
    const closed = new Promise<void>(resolve => {
      orders.answer = (_req, res) => {
        res.on('close', resolve)
        res.write('the first piece')
      }
    })
    const failed = new Promise((_, reject) => {
      const throwing = (): never => {
        throw new Error('not wanted')
      }
      const handler = {
        onRequestStart: () => {},
        onResponseStart: throwing,
        onResponseError: (_: unknown, error: Error) => reject(error),
      }
      sealed().dispatch({ origin: orders.url, path: '/', method: 'GET' }, handler)
    })
    expect(await failureOf(failed)).toMatchObject({ message: 'not wanted' })
    await closed
  })

  it('that is cut off is an error of its reader', async () => {
    orders.answer = async (_req, res) => {
      res.write('the first piece')
      await turns(5)
      res.socket?.destroy()
    }
    const { statusCode, body } = await request(at('/'), { dispatcher: sealed() })
    expect(statusCode).toBe(200)
    let got = ''
    const reading = (async () => {
      for await (const chunk of body) got += String(chunk)
    })()
    expect(await failureOf(reading)).toMatchObject({ code: 'channel_broken' })
    expect(got).toBe('the first piece')
  })

  it('is not mixed with that of another answer by a retry', async () => {
    orders.answer = async (req, res) => {
      if (req.headers.range !== undefined) {
        res.writeHead(206, { 'content-range': 'bytes 5-9/10', etag: '"2"' }).end('other')
        return
      }
      res.writeHead(200, { etag: '"1"', 'content-length': '10' }).write('first')
      await turns(5)
      res.socket?.destroy()
    }
    const agent = new RetryAgent(sealed(), { ...retrying, errorCodes: ['channel_broken'] })
    const { body } = await request(at('/'), { dispatcher: agent })
    expect(await failureOf(body.text())).toBeInstanceOf(errors.RequestRetryError)
  })
})
