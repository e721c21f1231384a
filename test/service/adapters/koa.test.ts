import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { requireTicket as requireOfService } from '../../../service/index.js'
import {
  type KoaTicketMiddleware,
  RequestRefused,
  requireTicket,
  ticketIfAny,
  ticketOf,
} from '../../../service/koa.js'
import { expectProved, expectRefused, headerOf, type RunningRealm, startRealm, WEB } from '../realm.js'
import { type Adapter, hasKey, KEY, NO_KEY, type Reply } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `orthrus/koa` in Koa: its context, bodies, streams and errors. */

/** Koa tells each failure on standard error. */
function quietKoa(): Koa {
  const app = new Koa()
  app.silent = true
  return app
}

function reply(ctx: Koa.Context, { status = 200, headers = [], body }: Reply): void {
  ctx.body =
    body instanceof Readable || typeof body === 'string' || body === undefined ? body : Buffer.from(body)
  ctx.status = status
  if (!headers.some(([name]) => name === 'content-type')) ctx.remove('content-type')
  for (const [name, value] of headers)
    name === 'content-type' ? ctx.res.setHeader(name, value) : ctx.append(name, value)
  if (body === undefined) ctx.body = status === 204 || status === 205 || status === 304 ? null : ''
}

const byKey: Koa.Middleware = async (ctx, next) => {
  if (hasKey(ctx.get(KEY[0]))) return await next()
  ctx.status = NO_KEY.status
  ctx.set(NO_KEY.headers)
  ctx.body = NO_KEY.body
}

const adapter: Adapter = (options, answer, compression, either) => {
  const app = quietKoa()
  const gate = requireTicket(options)
  app.use(either ? gate.or(byKey) : gate)
  app.use(async ctx => {
    const { method, originalUrl: target } = ctx
    const header = (name: string): string | undefined => ctx.get(name) || undefined
    const body = await buffer(ctx.req)
    if (compression === 'behind')
      await new Promise<void>(resolve => compressing(() => resolve())(ctx.req, ctx.res))
    reply(
      ctx,
      await answer({ method, target, header, body, ticket: either ? ticketIfAny(ctx) : ticketOf(ctx) }),
    )
  })
  const listener = app.callback()
  return compression === 'in front' ? compressing(listener) : (listener as never)
}

describeAdapter('Koa', adapter)

const start = (build: (app: Koa, realm: RunningRealm) => void) =>
  startRealm({
    listener: realm => {
      const app = quietKoa()
      build(app, realm)
      return app.callback() as never
    },
  })

const plain = (headers: readonly (readonly [string, string])[] = []) => ({
  method: 'GET',
  target: '/orders/7',
  headers,
})

describe('Koa', () => {
  it('answers objects, and what later middleware adds, with a proof', async () => {
    const realm = await start((app, { service }) => {
      app.use(async (ctx, next) => {
        await next()
        ctx.set('x-time', '1')
        ctx.body = { ...(ctx.body as object), more: true }
      })
      app.use(requireTicket({ service }))
      app.use(ctx => {
        ctx.body = { by: ticketOf(ctx).client }
      })
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expect(JSON.parse(response.body.toString())).toEqual({ by: WEB, more: true })
    expect(headerOf(response, 'x-time')).toBe('1')
    expectProved(response, request)
  })

  it('binds the whole target where a router has cut it', async () => {
    const realm = await start((app, { service }) => {
      const guard = requireTicket({ service })
      app.use((ctx, next) => {
        ctx.path = ctx.path.replace(/^\/api/, '')
        return guard(ctx, next)
      })
      app.use(ctx => {
        ctx.body = ctx.path
      })
    })
    const request = realm.sign({ target: '/api/orders/7?x=1' })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe('/orders/7')
    expectProved(response, request)
    const cut = realm.sign({ target: '/orders/7?x=1' })
    expectRefused(await realm.send({ ...cut, target: '/api/orders/7?x=1' }), cut, 'binding_mismatch', '06')
  })

  it('proves what it answers to an error, and to an error that says its status', async () => {
    const realm = await start((app, { service }) => {
      app.use(requireTicket({ service }))
      app.use(ctx => ctx.throw(422, 'no such sku'))
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expect([response.status, response.body.toString()]).toEqual([422, 'no such sku'])
    expectProved(response, request)
  })

  it('keeps a refusal as it is, whatever outer middleware makes of it', async () => {
    const realm = await start((app, { service }) => {
      app.use(async (ctx, next) => {
        await next()
        ctx.status = 200
        ctx.body = 'all is well'
      })
      app.use(requireTicket({ service, claims: { role: 'writer' } }))
      app.use(() => expect.unreachable('it was let through'))
    })
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'not_authorized', '06')
    expect((await realm.send(plain())).status).toBe(401)
  })

  it.each([
    ['by middleware that catches them', true],
    ['by Koa itself', false],
  ])('renders refusals %s, with the headers of the protocol', async (_, catches) => {
    const realm = await start((app, { service }) => {
      if (catches) {
        app.use(async (ctx, next) => {
          try {
            await next()
          } catch (error) {
            if (!(error instanceof RequestRefused)) throw error
            ctx.status = error.status
            ctx.body = { error: error.code ?? 'no ticket' }
            ctx.remove('www-authenticate')
          }
        })
      }
      app.use(requireTicket({ service, claims: { role: 'writer' }, passRefusals: true }))
      app.use(() => expect.unreachable('it was let through'))
    })
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const response = await realm.send(request)
    const text = catches ? '{"error":"not_authorized"}' : 'the request was refused: not_authorized'
    expect([response.status, response.body.toString()]).toEqual([403, text])
    expect(headerOf(response, 'www-authenticate')).toMatch(
      /^Orthrus realm="demo.example", error="not_authorized", message="/,
    )
    const bare = await realm.send(plain())
    expect([bare.status, headerOf(bare, 'www-authenticate')]).toEqual([401, 'Orthrus realm="demo.example"'])
  })

  it('lets onRefused answer first, with and without passing refusals on', async () => {
    for (const passRefusals of [true, false]) {
      const realm = await start((app, { service }) => {
        const onRefused = async (
          _refused: unknown,
          _req: unknown,
          res: import('node:http').ServerResponse,
        ) => {
          await new Promise(resolve => setImmediate(resolve))
          res.end('by onRefused')
        }
        app.use(requireTicket({ service, passRefusals, onRefused }))
      })
      const response = await realm.send(plain())
      expect([response.status, response.body.toString()]).toEqual([401, 'by onRefused'])
    }
  })

  it('takes a ticket or an API key on one route', async () => {
    const realm = await start((app, { service }) => {
      const byKey: Koa.Middleware = async (ctx, next) => {
        if (ctx.get('x-api-key') === 'right') await next()
        else ctx.status = 401
      }
      app.use(requireTicket({ service }).or(byKey))
      app.use(ctx => {
        ctx.body = `hello ${ticketIfAny(ctx)?.client ?? 'holder of the key'}`
      })
    })
    const key = ['x-api-key', 'right'] as const
    expect((await realm.send(plain([key]))).body.toString()).toBe('hello holder of the key')
    expect((await realm.send(plain())).status).toBe(401)
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
    expectRefused(
      await realm.send({ ...request, headers: [...request.headers, key] }),
      request,
      'replay',
      '06',
    )
  })

  it('answers what a browser asks for a page of another origin', async () => {
    const origin = ['origin', 'https://app.example'] as const
    const realm = await start((app, { service }) => {
      app.use(requireTicket({ service, cors: { origins: [origin[1]] } }))
      app.use(ctx => ctx.throw(422))
    })
    const headers = [origin, ['access-control-request-method', 'POST'] as const]
    const asked = await realm.send({ method: 'OPTIONS', target: '/orders', headers })
    expect([asked.status, headerOf(asked, 'access-control-allow-origin')]).toEqual([204, origin[1]])
    const request = realm.sign({ headers: [origin] })
    const response = await realm.send(request)
    expect([response.status, headerOf(response, 'access-control-allow-origin')]).toEqual([422, origin[1]])
    expectProved(response, request)
  })

  it('gives ticketOf nothing that no gate let through, and says what to do', async () => {
    const told: string[] = []
    const realm = await start(app => {
      app.use(ctx => {
        try {
          ticketOf(ctx)
        } catch (cause) {
          if (cause instanceof TypeError) told.push(cause.message)
        }
        ctx.body = 'x'
      })
    })
    await realm.send(plain())
    expect(told).toEqual([expect.stringContaining('ticketOf found no ticket')])
  })

  it('says which entry to use where the two were mixed up', async () => {
    const { service } = await startRealm()
    const guard = requireTicket({ service }) as (...args: unknown[]) => Promise<unknown>
    await expect(guard({ raw: {} }, {}, () => {})).rejects.toThrow('orthrus/service has the one')
    const wrong = requireOfService({ service }) as unknown as KoaTicketMiddleware
    const realm = await start(app => {
      app.use(async (ctx, next) => {
        try {
          await wrong(ctx, next)
        } catch (cause) {
          ctx.body = String(cause)
        }
      })
    })
    expect((await realm.send(plain())).body.toString()).toContain('orthrus/koa')
    expect(() => requireTicket({ service }).or(undefined as never)).toThrow(TypeError)
  })
})
