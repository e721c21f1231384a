import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import express from 'express'
import { type Context, Hono } from 'hono'
import Koa from 'koa'
import { afterAll, describe, expect, it } from 'vitest'
import * as fastify from '../../service/fastify.js'
import * as fetchHandler from '../../service/fetch-handler.js'
import * as node from '../../service/index.js'
import * as koa from '../../service/koa.js'
import type { RawRequest } from './connection.js'
import { listenerOf } from './fastify/setting.js'
import {
  BILLING,
  billingKey,
  expectProved,
  headerOf,
  type RunningRealm,
  type SignedRequest,
  startRealm,
  WEB,
} from './realm.js'

/** `permitWithoutTicket` in every entry: without a ticket a request passes and is counted, with one it is checked. */

/** The server puts classes of its own in their place, and files of tests share a process. */
const platform = { Request: globalThis.Request, Response: globalThis.Response }
afterAll(() => void Object.assign(globalThis, platform))

interface Options {
  readonly claims?: Readonly<Record<string, string>>
  readonly permitWithoutTicket?: boolean
  readonly onRefused?: () => void
}

/** A server whose handler tells which client it sees; at `/strict` it asks with `ticketOf`; at `/fail` it throws. */
type Entry = (service: node.Service, options: Options) => RequestListener | Promise<RequestListener>

function told(path: string, ifAny: () => { readonly client: string } | undefined, of: () => unknown): string {
  if (path === '/fail') throw new Error('no database')
  if (path !== '/strict') return `hello ${ifAny()?.client ?? 'nobody'}`
  try {
    return String(of())
  } catch (cause) {
    return (cause as TypeError).message
  }
}

const permitting = { permitWithoutTicket: true } as const

const ENTRIES: Readonly<Record<string, Entry>> = {
  'node:http': (service, options) =>
    node.requireTicket({ service, ...permitting, ...options }, (req, res, ticket) => {
      expect(ticket).toBe(node.ticketIfAny(req))
      expect(req.ticket).toBe(ticket)
      res.end(
        told(
          req.url ?? '',
          () => ticket,
          () => node.ticketOf(req),
        ),
      )
    }),
  Express: (service, options) => {
    const app = express().set('env', 'test')
    app.use(node.requireTicket({ service, ...permitting, ...options }))
    app.use((req, res) => {
      const text = told(
        req.path,
        () => node.ticketIfAny(req),
        () => node.ticketOf(req),
      )
      res.end(text)
    })
    return app
  },
  Koa: (service, options) => {
    const app = new Koa()
    app.silent = true
    app.use(koa.requireTicket({ service, ...permitting, ...options }))
    app.use(ctx => {
      ctx.body = told(
        ctx.path,
        () => koa.ticketIfAny(ctx),
        () => koa.ticketOf(ctx),
      )
    })
    return app.callback()
  },
  Fastify: (service, options) =>
    listenerOf(app => {
      void app.register(fastify.requireTicket, { service, ...permitting, ...options })
      app.all('*', async request =>
        told(
          request.url,
          () => fastify.ticketIfAny(request),
          () => request.ticket,
        ),
      )
    }),
  Hono: (service, options) => {
    const app = new Hono()
    app.use(
      fetchHandler.requireTicket({
        service,
        ...permitting,
        addressOf: (_, c: Context) => getConnInfo(c).remote.address,
        ...options,
      }),
    )
    app.onError(() => new Response('failed', { status: 500 }))
    app.all('*', c => {
      const { raw } = c.req
      return c.text(
        told(
          c.req.path,
          () => fetchHandler.ticketIfAny(raw),
          () => fetchHandler.ticketOf(raw),
        ),
      )
    })
    return getRequestListener(app.fetch)
  },
  'a handler of Requests': (service, options) => {
    const handler = fetchHandler.requireTicket(
      { service, ...permitting, addressOf: () => '127.0.0.1', ...options },
      (request, ticket) =>
        new Response(
          told(
            new URL(request.url).pathname,
            () => ticket,
            () => fetchHandler.ticketOf(request),
          ),
        ),
    )
    return getRequestListener(handler, { errorHandler: () => new Response('failed', { status: 500 }) })
  },
}

function start(entry: string, options: Options = {}): Promise<RunningRealm> {
  const make = ENTRIES[entry] ?? expect.unreachable()
  return startRealm({ listener: ({ service }) => make(service, options) })
}

const plain = (target = '/orders/7', headers: RawRequest['headers'] = []): RawRequest => ({
  method: 'GET',
  target,
  headers,
})

const counted = (realm: RunningRealm): number => realm.service.state.withoutTicket?.requests ?? -1

const linesOf = (realm: RunningRealm) =>
  realm.log.lines.filter(({ fields }) => fields.kind === 'passed_without_ticket')

/** Requests that present something of Orthrus that is no good ticket. */
const BAD: readonly (readonly [string, (realm: RunningRealm) => RawRequest])[] = [
  ['ticket of another service', realm => forBilling(realm)],
  [
    'ticket that has ended',
    realm => realm.sign({}, { ticket: realm.ticket({ endTime: realm.clock.now() }) }),
  ],
  ['ticket without the claim', realm => realm.sign({}, { ticket: realm.ticket({ claims: [] }) })],
  [
    'ticket whose caveat fails',
    realm => realm.sign({}, { caveats: [{ name: 'methods', methods: ['PUT'] }] }),
  ],
  ['ticket under no right MAC', realm => realm.sign({}, { key: realm.sign().key })],
  ['ticket of another request', realm => ({ ...realm.sign({ target: '/orders/8' }), target: '/orders/7' })],
  ['ticket twice', realm => withHeaders(realm, value => [value, value])],
  ['ticket behind another scheme', realm => withHeaders(realm, value => ['Bearer x', value])],
  ['ticket in a list', realm => withHeaders(realm, value => [`Bearer x, ${value}`])],
  ['ticket cut off', realm => withHeaders(realm, value => [value.slice(0, -8)])],
  ['scheme with nothing behind it', () => plain('/', [['authorization', 'Orthrus']])],
  ['scheme with a colon', () => plain('/', [['authorization', 'orthrus:AQg']])],
  ['scheme in quotes', () => plain('/', [['Authorization', '"Orthrus AQg"']])],
  ['scheme for a proxy', () => plain('/', [['proxy-authorization', 'Orthrus AQg']])],
  ['proof, which no client sends', () => plain('/', [['authentication-info', 'Orthrus AQg']])],
  ['challenge, which no client sends', () => plain('/', [['www-authenticate', 'Orthrus realm="x"']])],
  ['body marked as sealed', () => plain('/', [['content-encoding', 'orthrus']])],
  ['body marked as sealed among others', () => plain('/', [['Content-Encoding', 'gzip, Orthrus']])],
  ['list of covered headers', () => plain('/', [['Orthrus-Covered', 'x-tenant']])],
  ['credential', () => plain('/', [['orthrus-credential', 'AQg']])],
  ['wish for sealed answers', () => plain('/', [['orthrus-accept', 'records']])],
  ['header of a later version', () => plain('/', [['orthrus-x', '1']])],
]

/** All entries ask one of two functions, each of which meets all of these here, and the others a part of them. */
const inFull = (entry: string): boolean => process.env.ORTHRUS_SLOW === '1' || /^node|^a handler/.test(entry)
const badFor = (entry: string): typeof BAD => (inFull(entry) ? BAD : BAD.filter((_, i) => i % 3 === 0))

function forBilling(realm: RunningRealm): SignedRequest {
  return realm.sign({}, { ticket: realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey }) })
}

function withHeaders(realm: RunningRealm, write: (value: string) => readonly string[]): RawRequest {
  const signed = realm.sign()
  const values = write(headerOf(signed, 'authorization') ?? '')
  return { ...signed, headers: values.map(value => ['authorization', value] as const) }
}

describe.each(Object.keys(ENTRIES))('permitWithoutTicket with %s', entry => {
  it('lets pass what presents no ticket, counted, and with words for a handler that wants one', async () => {
    const realm = await start(entry, { claims: { role: 'reader' } })
    const response = await realm.send(plain())
    expect([response.status, response.body.toString()]).toEqual([200, 'hello nobody'])
    expect(headerOf(response, 'authentication-info')).toBeUndefined()
    const bearer = await realm.send(plain('/orders/7', [['authorization', 'Bearer orthrus-is-no-word-here']]))
    expect(bearer.status).toBe(200)
    const strict = (await realm.send(plain('/strict'))).body.toString()
    expect(strict).toContain('permitWithoutTicket let it pass')
    expect(strict).toMatch(/ticketIfAny\(.*on anybody's behalf/)
    const now = realm.clock.now()
    expect(realm.service.state.withoutTicket).toEqual({
      requests: 3,
      peers: [{ address: '127.0.0.1', requests: 3, firstAt: now, lastAt: now }],
      forgotten: 0,
    })
    expect(linesOf(realm)).toMatchObject([
      { level: 'warn', fields: { from: '127.0.0.1', requests: 1, method: 'GET', path: '/orders/7' } },
    ])
  })

  it('checks a ticket in full, and proves the answer', async () => {
    const realm = await start(entry, { claims: { role: 'reader' } })
    const headers = [['content-type', 'text/plain']] as const
    const request = realm.sign({ method: 'POST', headers, body: Buffer.from('pay 1') })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
    const again = await realm.send(request)
    expect(again.status).toBe(401)
    expect(headerOf(again, 'www-authenticate')).toContain('error="replay"')
    expect(counted(realm)).toBe(0)
  })

  it('refuses what presents a ticket that is not good, or a part of one', async () => {
    const realm = await start(entry, { claims: { role: 'reader' } })
    for (const [what, make] of badFor(entry)) {
      const response = await realm.send(make(realm))
      expect([400, 401, 403], what).toContain(response.status)
      expect(headerOf(response, 'www-authenticate'), what).toMatch(/^Orthrus /)
    }
    expect(counted(realm)).toBe(0)
    const hints = realm.log.lines.filter(({ fields }) => fields.kind === 'challenged')
    expect(hints.length).toBeGreaterThan(2)
    for (const { fields } of hints) expect(fields.hint).toContain('removes or rewrites that header')
  })

  it('answers 500 where a handler fails, and goes on', async () => {
    const realm = await start(entry)
    expect((await realm.send(plain('/fail'))).status).toBe(500)
    expect((await realm.send(plain())).status).toBe(200)
  })

  it('lets nothing pass once it is false', async () => {
    const realm = await start(entry, { permitWithoutTicket: false })
    const response = await realm.send(plain())
    expect(response.status).toBe(401)
    expect(headerOf(response, 'www-authenticate')).toBe('Orthrus realm="demo.example"')
    expect(realm.service.state.withoutTicket).toBeUndefined()
  })
})

describe('permitWithoutTicket with another scheme', () => {
  const isRight = (key: string | undefined): boolean => key === 'right'
  const told = (ticket: { readonly client: string } | undefined): string =>
    `hello ${ticket?.client ?? 'nobody'}`

  const EITHER: Readonly<Record<string, (service: node.Service) => RequestListener>> = {
    Koa: service => {
      const app = new Koa()
      app.use(
        koa.requireTicket({ service, ...permitting }).or(async (ctx: Koa.Context, next) => {
          if (isRight(ctx.get('x-api-key'))) await next()
          else ctx.status = 403
        }),
      )
      app.use(ctx => {
        ctx.body = told(koa.ticketIfAny(ctx))
      })
      return app.callback()
    },
    Hono: service => {
      const app = new Hono()
      app.use(
        fetchHandler.requireTicket({ service, ...permitting }).or(async (c: Context, next) => {
          if (!isRight(c.req.header('x-api-key'))) return c.body(null, 403)
          await next()
          return undefined
        }),
      )
      app.all('*', c => c.text(told(fetchHandler.ticketIfAny(c.req.raw))))
      return getRequestListener(app.fetch)
    },
  }

  it.each(Object.keys(EITHER))('counts what that lets pass, in %s', async entry => {
    const make = EITHER[entry] ?? expect.unreachable()
    const realm = await startRealm({ listener: ({ service }) => make(service) })
    const key = ['x-api-key', 'right'] as const
    expect((await realm.send(plain('/', [key]))).body.toString()).toBe('hello nobody')
    expect((await realm.send(plain('/', [['x-api-key', 'wrong']]))).status).toBe(403)
    expect((await realm.send(plain('/', [key, ['orthrus-accept', 'records']]))).status).toBe(401)
    expect(counted(realm)).toBe(1)
    const request = realm.sign()
    expectProved(await realm.send(request), request)
  })
})
