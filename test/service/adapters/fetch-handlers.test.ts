import { Readable } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { stream } from 'hono/streaming'
import { afterAll, describe, expect, it } from 'vitest'
import { requireTicket, ticketIfAny, ticketOf } from '../../../service/fetch-handler.js'
import type { Service } from '../../../service/index.js'
import type { AcceptedTicket } from '../../../service/request/ticket.js'
import { expectProved, expectRefused, headerOf, startRealm, WEB } from '../realm.js'
import type { Adapter, Reply, Seen } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `orthrus/fetch-handler` on a real server: as Hono's middleware, around Hono, and as a route of Next.js. */

/** The server puts classes of its own in their place, and files of tests share a process. */
const platform = { Request: globalThis.Request, Response: globalThis.Response }
afterAll(() => void Object.assign(globalThis, platform))

async function seenBy(request: Request, ticket: AcceptedTicket): Promise<Seen> {
  const { pathname, search } = new URL(request.url)
  return {
    method: request.method,
    target: pathname + search,
    header: name => request.headers.get(name) ?? undefined,
    body: new Uint8Array(await request.arrayBuffer()),
    ticket,
  }
}

function responseOf({ status = 200, headers = [], body }: Reply): Response {
  const pairs = headers.map(([name, value]): [string, string] => [name, value])
  return new Response(bodyInit(body), { status, headers: pairs })
}

function bodyInit(body: Reply['body']): BodyInit | undefined {
  if (body === undefined || typeof body === 'string') return body
  return body instanceof Readable ? (Readable.toWeb(body) as ReadableStream) : new Uint8Array(body)
}

/** As an application answers what its handlers throw. */
const failed = (): Response => new Response('failed', { status: 500 })

const middleware: Adapter = (options, answer, compression) => {
  const app = new Hono()
  if (compression === 'in front') app.use(compress())
  app.use(requireTicket(options))
  if (compression === 'behind') app.use(compress())
  app.onError(failed)
  app.all('*', async c => responseOf(await answer(await seenBy(c.req.raw, ticketOf(c.req.raw)))))
  return getRequestListener(app.fetch)
}

const aroundHono: Adapter = (options, answer, compression) => {
  const app = new Hono<{ Bindings: { ticket: AcceptedTicket } }>()
  if (compression === 'behind') app.use(compress())
  app.onError(failed)
  app.all('*', async c => responseOf(await answer(await seenBy(c.req.raw, c.env.ticket))))
  const listener = getRequestListener(
    requireTicket(options, (request, ticket) => app.fetch(request, { ticket })),
  )
  return compression === 'in front' ? compressing(listener) : listener
}

/** As `app/orders/[id]/route.ts` exports them, called as Next.js calls them. */
const route: Adapter = (options, answer, compression) => {
  type Parameters = { readonly params: Promise<{ readonly id: string }> }
  const POST = requireTicket(options, async (request, ticket, { params }: Parameters) => {
    const { id } = await params
    if (!new URL(request.url).pathname.endsWith(id)) throw new Error(`called for ${id}`)
    const response = responseOf(await answer(await seenBy(request, ticket)))
    return compression === 'behind' ? compressed(request, response) : response
  })
  const listener = getRequestListener(
    request =>
      POST(request, {
        params: Promise.resolve({ id: new URL(request.url).pathname.split('/').at(-1) ?? '' }),
      }),
    { overrideGlobalObjects: false },
  )
  return compression === 'in front' ? compressing(listener) : listener
}

function compressed(request: Request, response: Response): Response {
  if (request.headers.get('accept-encoding') !== 'gzip' || response.body === null) return response
  const headers = new Headers(response.headers)
  headers.set('content-encoding', 'gzip')
  return new Response(response.body.pipeThrough(new CompressionStream('gzip')), { headers })
}

describeAdapter('middleware of Hono', middleware)
describeAdapter('around an application of Hono', aroundHono)
describeAdapter('a route of Next.js', route)

describe('middleware of Hono', () => {
  async function startHono(build: (app: Hono, service: Service) => void) {
    return await startRealm({
      listener: ({ service }) => {
        const app = new Hono()
        build(app, service)
        return getRequestListener(app.fetch)
      },
    })
  }

  it('guards the routes that it is mounted on, and no others', async () => {
    const realm = await startHono((app, service) => {
      app.get('/health', c => c.text('ok'))
      app.use('/orders/*', requireTicket({ service }))
      app.get('/orders/:id', c => c.json({ id: c.req.param('id'), client: ticketOf(c.req.raw).client }))
    })
    const health = await realm.send({ method: 'GET', target: '/health', headers: [] })
    expect([health.status, health.body.toString()]).toEqual([200, 'ok'])
    const signed = realm.sign()
    const response = await realm.send(signed)
    expectProved(response, signed)
    expect(JSON.parse(response.body.toString())).toEqual({ id: '7', client: WEB })
  })

  it('leaves the body to all ways of reading it, and proves answers of all kinds', async () => {
    const realm = await startHono((app, service) => {
      app.use(requireTicket({ service }))
      app.post('/json', async c => c.json(await c.req.json()))
      app.post('/form', async c => c.html(String((await c.req.parseBody()).name)))
      app.post('/text', async c => c.body(await c.req.text(), 201, { 'x-own': 'y' }))
      app.get('/stream', c =>
        stream(c, async to => {
          await to.write('a')
          await to.write('b')
        }),
      )
      app.get('/gone', c => c.redirect('/stream'))
    })
    for (const [target, type, body, expected] of [
      ['/json', 'application/json', '{"sku":1}', '{"sku":1}'],
      ['/form', 'application/x-www-form-urlencoded', 'name=ann', 'ann'],
      ['/text', 'text/plain', 'hello', 'hello'],
      ['/stream', undefined, undefined, 'ab'],
      ['/gone', undefined, undefined, ''],
      ['/none', undefined, undefined, '404 Not Found'],
    ] as const) {
      const headers = type === undefined ? [] : [['content-type', type] as const]
      const request = {
        target,
        headers,
        ...(body !== undefined && { method: 'POST', body: Buffer.from(body) }),
      }
      const signed = realm.sign(request)
      const response = await realm.send(signed)
      expect(response.body.toString()).toBe(expected)
      expectProved(response, signed)
    }
  })

  it('within another of the same service checks its own requirements, and its answer replaces the other', async () => {
    const realm = await startHono((app, service) => {
      app.use(async (c, next) => {
        await next()
        c.header('x-outer', '1')
      })
      app.use(requireTicket({ service }))
      app.use('/admin/*', requireTicket({ service, claims: { role: 'writer' } }))
      app.all('*', c => c.text('hello', 200, { 'set-cookie': 'a=1' }))
    })
    const good = realm.sign({ method: 'POST', body: Buffer.from('x') })
    const answer = await realm.send(good)
    expectProved(answer, good)
    expect(answer.headers.filter(([name]) => /^(set-cookie|x-outer)$/i.test(name)).length).toBe(2)
    const bad = realm.sign({ method: 'POST', target: '/admin/x', body: Buffer.from('x') })
    expectRefused(await realm.send(bad), bad, 'not_authorized', '06')
  })

  it('puts nothing of an answer that it replaces into the one that it gives', async () => {
    const realm = await startHono((app, service) => {
      app.use(requireTicket({ service, maxResponse: 10 }))
      app.all('*', c => c.text('eleven byte', 200, { 'x-own': 'y', 'content-length': '11' }))
    })
    const signed = realm.sign()
    const response = await realm.send(signed)
    expect([response.status, response.body.toString()]).toEqual([500, 'internal error\n'])
    expectProved(response, signed)
    expect(response.headers.map(([name]) => name.toLowerCase())).not.toContain('x-own')
  })

  it('guards an application that is mounted without a path of its own, which no client would have bound', async () => {
    const run: string[] = []
    const realm = await startHono((app, service) => {
      const guarded = requireTicket({ service }, request => {
        run.push(new URL(request.url).pathname)
        return new Response('hello')
      })
      app.mount('/whole', guarded, { replaceRequest: false })
      app.mount('/cut', guarded)
    })
    const whole = realm.sign({ target: '/whole/7' })
    expectProved(await realm.send(whole), whole)
    const cut = realm.sign({ target: '/cut/7' })
    expectRefused(await realm.send(cut), cut, 'binding_mismatch', '06')
    expect(run).toEqual(['/whole/7'])
  })

  it('leaves what presents no ticket to something else, and nothing that presents one', async () => {
    const asked: string[] = []
    const realm = await startHono((app, service) => {
      const requireKey: MiddlewareHandler = async (c, next) => {
        asked.push(c.req.header('x-key') ?? 'none')
        if (c.req.header('x-key') !== 'good') return c.text('no key', 401)
        return await next()
      }
      app.use(requireTicket({ service, claims: { role: 'reader' } }).or(requireKey))
      app.all('*', c => c.text(`hello ${ticketIfAny(c.req.raw)?.client ?? 'holder of the key'}`))
    })
    const signed = realm.sign({ method: 'POST', body: Buffer.from('x') })
    const response = await realm.send(signed)
    expectProved(response, signed)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectRefused(await realm.send(signed), signed, 'replay', '06')
    const garbage = [['authorization', 'Basic eDp5, Orthrus AQk'] as const, ['x-key', 'good'] as const]
    const bad = await realm.send({ method: 'GET', target: '/orders/7', headers: garbage })
    expect([bad.status, asked]).toEqual([401, []])
    for (const [key, status, body] of [
      ['good', 200, 'hello holder of the key'],
      ['bad', 401, 'no key'],
    ] as const) {
      const other = await realm.send({ method: 'GET', target: '/orders/7', headers: [['x-key', key]] })
      expect([other.status, other.body.toString(), headerOf(other, 'authentication-info')]).toEqual([
        status,
        body,
        undefined,
      ])
    }
    expect(() => requireTicket({ service: realm.service }).or(undefined as never)).toThrow(
      /or takes middleware/,
    )
  })

  it('lets the CORS of Hono stand in front, which leaves alone what is proved', async () => {
    const origin = 'https://app.example'
    const realm = await startHono((app, service) => {
      app.use(
        cors({
          origin,
          allowHeaders: ['authorization', 'content-type'],
          exposeHeaders: ['authentication-info', 'www-authenticate'],
        }),
      )
      app.use(requireTicket({ service }))
      app.use('/admin/*', requireTicket({ service, claims: { role: 'writer' } }))
      app.all('*', c => c.text('hello', 200, { 'set-cookie': 'a=1' }))
    })
    const headers = [['origin', origin] as const, ['access-control-request-method', 'POST'] as const]
    const asked = await realm.send({ method: 'OPTIONS', target: '/orders/7', headers })
    expect([asked.status, headerOf(asked, 'access-control-allow-origin')]).toEqual([204, origin])
    const signed = realm.sign({ headers: [['origin', origin]] })
    const response = await realm.send(signed)
    expect(headerOf(response, 'access-control-allow-origin')).toBe(origin)
    expectProved(response, signed)
    const unknown = await realm.send({ method: 'GET', target: '/orders/7', headers: [['origin', origin]] })
    expect([unknown.status, headerOf(unknown, 'access-control-allow-origin')]).toEqual([401, origin])
    const bad = realm.sign({ target: '/admin/x', headers: [['origin', origin]] })
    const refused = await realm.send(bad)
    expectRefused(refused, bad, 'not_authorized', '06')
    expect(['access-control-allow-origin', 'set-cookie'].map(name => headerOf(refused, name))).toEqual([
      origin,
      undefined,
    ])
  })

  it('after something that read the body does not verify it', async () => {
    const realm = await startHono((app, service) => {
      app.use(async (c, next) => {
        await c.req.text()
        await next()
      })
      app.use(requireTicket({ service }))
      app.all('*', c => c.text('hello'))
    })
    const signed = realm.sign({ method: 'POST', body: Buffer.from('x') })
    expectRefused(await realm.send(signed), signed, 'unavailable', '05')
  })
})
