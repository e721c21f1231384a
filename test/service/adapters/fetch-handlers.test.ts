import { Readable } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { stream } from 'hono/streaming'
import { afterAll, describe, expect, expectTypeOf, it } from 'vitest'
import { requireTicket, ticketIfAny, ticketOf } from '../../../service/fetch-handler.js'
import type { Service } from '../../../service/index.js'
import type { AcceptedTicket } from '../../../service/request/ticket.js'
import { expectProved, expectRefused, headerOf, startRealm, WEB } from '../realm.js'
import { type Adapter, hasKey, KEY, NO_KEY, type Reply, type Seen } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `orthrus/fetch-handler` on a real server: as Hono's middleware, around Hono, and as a route of Next.js. */

/** The server puts classes of its own in their place, and files of tests share a process. */
const platform = { Request: globalThis.Request, Response: globalThis.Response }
afterAll(() => void Object.assign(globalThis, platform))

async function seenBy(request: Request, ticket: AcceptedTicket | undefined): Promise<Seen> {
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

const byKey: MiddlewareHandler = async (c, next) => {
  if (hasKey(c.req.header(KEY[0]))) return await next()
  return c.text(NO_KEY.body, NO_KEY.status, NO_KEY.headers)
}

/** The same around a handler. */
function keyed<Rest extends readonly unknown[]>(
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
) {
  return (request: Request, ...rest: Rest): Response | Promise<Response> => {
    const { body, ...init } = NO_KEY
    return hasKey(request.headers.get(KEY[0])) ? handler(request, ...rest) : new Response(body, init)
  }
}

const middleware: Adapter = (options, answer, compression, either) => {
  const app = new Hono()
  if (compression === 'in front') app.use(compress())
  const gate = requireTicket(options)
  app.use(either ? gate.or(byKey) : gate)
  if (compression === 'behind') app.use(compress())
  app.onError(failed)
  app.all('*', async c => {
    const { raw } = c.req
    return responseOf(await answer(await seenBy(raw, either ? ticketIfAny(raw) : ticketOf(raw))))
  })
  return getRequestListener(app.fetch)
}

const aroundHono: Adapter = (options, answer, compression, either) => {
  const app = new Hono<{ Bindings: { ticket: AcceptedTicket | undefined } }>()
  if (compression === 'behind') app.use(compress())
  app.onError(failed)
  app.all('*', async c => responseOf(await answer(await seenBy(c.req.raw, c.env.ticket))))
  const guarded = requireTicket(options, (request, ticket) => app.fetch(request, { ticket }))
  const listener = getRequestListener(
    either ? guarded.or(keyed(request => app.fetch(request, { ticket: undefined }))) : guarded,
  )
  return compression === 'in front' ? compressing(listener) : listener
}

/** As `app/orders/[id]/route.ts` exports them, called as Next.js calls them. */
const route: Adapter = (options, answer, compression, either) => {
  type Parameters = { readonly params: Promise<{ readonly id: string }> }
  const handle = async (
    request: Request,
    ticket: AcceptedTicket | undefined,
    { params }: Parameters,
  ): Promise<Response> => {
    const { id } = await params
    if (!new URL(request.url).pathname.endsWith(id)) throw new Error(`called for ${id}`)
    const response = responseOf(await answer(await seenBy(request, ticket)))
    return compression === 'behind' ? compressed(request, response) : response
  }
  const guarded = requireTicket(options, handle)
  const POST = either
    ? guarded.or(keyed((request, parameters: Parameters) => handle(request, undefined, parameters)))
    : guarded
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

  it('lets a page of another origin read what something else throws for Hono to answer', async () => {
    const origin = 'https://app.example'
    const realm = await startHono((app, service) => {
      const gate = requireTicket({ service, cors: { origins: [origin] } })
      app.use(
        gate.or(async () => {
          throw new HTTPException(401, { message: 'no key' })
        }),
      )
    })
    const headers = [['origin', origin] as const]
    const response = await realm.send({ method: 'GET', target: '/orders/7', headers })
    expect([response.status, response.body.toString()]).toEqual([401, 'no key'])
    expect(headerOf(response, 'access-control-allow-origin')).toBe(origin)
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

describe('a route of Next.js', () => {
  /** As `next build` types what a route exports: a request, and a context with the parameters of its path. */
  type RouteHandler = (
    request: NextRequest,
    context: { readonly params: Promise<{ readonly id: string }> },
  ) => Response | Promise<Response>
  /** What `NextRequest` has beside a `Request`. */
  interface NextRequest extends Request {
    readonly cookies: { get(name: string): { readonly value: string } | undefined }
    readonly nextUrl: URL
  }

  it('has the types that Next.js wants of it', () => {
    const service = {} as Service
    const make = () => {
      const guarded = requireTicket({ service }, async (_request, ticket, { params }: RouteContext) =>
        Response.json({ id: (await params).id, client: ticket.client }),
      )
      return { GET: guarded, POST: guarded.or((_, { params }) => params.then(({ id }) => new Response(id))) }
    }
    type RouteContext = Parameters<RouteHandler>[1]
    expectTypeOf(make).returns.toExtend<{ readonly GET: RouteHandler; readonly POST: RouteHandler }>()
    expectTypeOf<Parameters<ReturnType<typeof make>['GET']>>().toEqualTypeOf<[Request, RouteContext]>()
    expectTypeOf<ReturnType<ReturnType<typeof make>['GET']>>().toEqualTypeOf<Promise<Response>>()
    expect(make).toThrow(TypeError)
  })
})
