import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { FastifyRequest } from 'fastify'
import { describe, expect, it, vi } from 'vitest'
import { requireTicket as fastifyPlugin, ticketIfAny as ticketInFastify } from '../../../service/fastify.js'
import {
  acceptChannels,
  createVerifier,
  type Middleware,
  type PermittingTicketOptions,
  type RequireTicketOptions,
  requireTicket,
  type TicketHandler,
  ticketIfAny,
  ticketOf,
} from '../../../service/index.js'
import type { RawRequest } from '../connection.js'
import { startFastify } from '../fastify/setting.js'
import { expectProved, headerOf, type RunningRealm, startRealm, WEB } from '../realm.js'

/** `permitWithoutTicket` together with everything else that a gate can be told. */

const permitWithoutTicket = true
const plain = (headers: RawRequest['headers'] = [], target = '/orders/7'): RawRequest => ({
  method: 'GET',
  target,
  headers,
})

const hello: (req: IncomingMessage, res: ServerResponse) => void = (req, res) =>
  void res.end(`hello ${ticketIfAny(req)?.client ?? 'nobody'}`)

const counted = (realm: RunningRealm): number => realm.service.state.withoutTicket?.requests ?? -1

describe('permitWithoutTicket', () => {
  it('counts what another scheme lets pass, and not what it refuses', async () => {
    const byKey: Middleware<IncomingMessage, ServerResponse> = (req, res, next) => {
      if (req.headers['x-api-key'] === 'right') next()
      else if (req.headers['x-api-key'] === 'unreadable') next(new Error('no database'))
      else res.writeHead(401).end()
    }
    const realm = await startRealm({
      listener: ({ service }) => {
        const gate = requireTicket({ service, permitWithoutTicket }).or(byKey)
        return (req, res) =>
          void gate(req, res, error => (error === undefined ? hello(req, res) : res.writeHead(500).end()))
      },
    })
    expect((await realm.send(plain())).status).toBe(401)
    expect((await realm.send(plain([['x-api-key', 'unreadable']]))).status).toBe(500)
    expect(counted(realm)).toBe(0)
    expect((await realm.send(plain([['x-api-key', 'right']]))).body.toString()).toBe('hello nobody')
    expect(counted(realm)).toBe(1)
    const request = realm.sign()
    expectProved(await realm.send(request), request)
    const partial = plain([
      ['x-api-key', 'right'],
      ['content-encoding', 'orthrus'],
    ])
    expect((await realm.send(partial)).status).toBe(401)
    expect(counted(realm)).toBe(1)
  })

  it('leaves body and response alone of what has no ticket', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const options = { service, permitWithoutTicket, coverResponseHeaders: ['etag'] } as const
        return requireTicket(options, async (req, res) => {
          res.setHeader('etag', '"1"').end(await text(req))
        })
      },
    })
    const response = await realm.send({ ...plain(), method: 'POST', body: Buffer.from('pay 1') })
    expect(response.body.toString()).toBe('pay 1')
    expect(headerOf(response, 'orthrus-covered')).toBeUndefined()
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 2') })
    const proved = await realm.send(request)
    expect(headerOf(proved, 'orthrus-covered')).toBe('etag')
    expectProved(proved, request)
  })

  it('asks onRefused for refusals alone', async () => {
    const onRefused = vi.fn((_: unknown, _req: unknown, res: ServerResponse) => void res.end('no'))
    const realm = await startRealm({
      listener: ({ service }) => requireTicket({ service, permitWithoutTicket, onRefused }, hello),
    })
    expect((await realm.send(plain())).body.toString()).toBe('hello nobody')
    expect(onRefused).not.toHaveBeenCalled()
    const refused = await realm.send(plain([['authorization', 'Orthrus']]))
    expect([refused.status, refused.body.toString()]).toEqual([401, 'no'])
    expect(onRefused).toHaveBeenCalledOnce()
  })

  it('lets pages of named origins read the answer', async () => {
    const cors = { origins: ['https://app.example'] }
    const realm = await startRealm({
      listener: ({ service }) => requireTicket({ service, permitWithoutTicket, cors }, hello),
    })
    const asked = await realm.send({
      ...plain([
        ['origin', 'https://app.example'],
        ['access-control-request-method', 'POST'],
      ]),
      method: 'OPTIONS',
    })
    expect(asked.status).toBe(204)
    expect(counted(realm)).toBe(0)
    const response = await realm.send(plain([['origin', 'https://app.example']]))
    expect(headerOf(response, 'access-control-allow-origin')).toBe('https://app.example')
    expect(response.body.toString()).toBe('hello nobody')
  })

  it('is ended by a strict gate further in, and counts once over several', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const outer = requireTicket({ service, permitWithoutTicket })
        const inner = requireTicket({ service, permitWithoutTicket })
        const strict = requireTicket({ service, claims: { role: 'reader' } })
        return (req, res) =>
          outer(req, res, () =>
            inner(req, res, () =>
              req.url === '/strict' ? strict(req, res, () => hello(req, res)) : hello(req, res),
            ),
          )
      },
    })
    expect((await realm.send(plain())).status).toBe(200)
    expect(counted(realm)).toBe(1)
    expect((await realm.send(plain([], '/strict'))).status).toBe(401)
    const request = realm.sign({ target: '/strict' })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
  })

  it('refuses a request of which the server drops headers: a ticket may have been among them', async () => {
    const realm = await startRealm({
      listener: ({ service }) => requireTicket({ service, permitWithoutTicket }, hello),
    })
    realm.server.maxHeadersCount = 20
    const many = Array.from({ length: 30 }, (_, i) => [`x-${i}`, '1'] as const)
    expect((await realm.send(plain(many.slice(0, 10)))).status).toBe(200)
    const { headers } = realm.sign()
    expect((await realm.send(plain([...many, ...headers]))).status).toBe(401)
  })

  it('counts by what addressOf says, if it says something', async () => {
    const said = ['203.0.113.9', undefined, new Error('no')]
    const addressOf = (): string | undefined => {
      const next = said.shift()
      if (next instanceof Error) throw next
      return next
    }
    const realm = await startRealm({
      listener: ({ service }) => requireTicket({ service, permitWithoutTicket, addressOf }, hello),
    })
    for (let i = 0; i < 3; i++) expect((await realm.send(plain())).status).toBe(200)
    const peers = realm.service.state.withoutTicket?.peers.map(({ address, requests }) => [address, requests])
    expect(peers).toEqual([
      ['127.0.0.1', 2],
      ['203.0.113.9', 1],
    ])
    expect(realm.log.lines.some(({ fields }) => fields.hook === 'addressOf')).toBe(true)
  })

  it('answers a handler that calls in the name of a client there is none with the reason, in the log', async () => {
    const realm = await startRealm({
      listener: ({ service }) =>
        requireTicket({ service, permitWithoutTicket }, async req => {
          ticketOf(req).onBehalf({ client: WEB, onBehalf: () => undefined })
        }),
    })
    const response = await realm.send(plain())
    expect([response.status, response.body.toString()]).toEqual([500, 'internal error\n'])
    const failed = realm.log.lines.find(({ fields }) => fields.kind === 'response_failed')
    expect(String(failed?.fields.err)).toMatch(/permitWithoutTicket.*on anybody's behalf/)
  })

  it('of a middleware without a next answers 500, and the process goes on', async () => {
    const realm = await startRealm({
      listener: ({ service }) => requireTicket({ service, permitWithoutTicket }) as never,
    })
    expect((await realm.send(plain())).status).toBe(500)
  })

  it('gives a handler a ticket that may be undefined, as the compiler sees it', async () => {
    const { service } = await startRealm()
    const strict: TicketHandler = (_req, res, ticket) => void res.end(ticket.client)
    const options: RequireTicketOptions = { service }
    requireTicket(options, strict)
    const permitting: PermittingTicketOptions = { service, permitWithoutTicket }
    requireTicket(permitting, (_req, res, ticket) => res.end(ticket?.client))
    // @ts-expect-error: its ticket may be undefined
    requireTicket(permitting, strict)
    // @ts-expect-error: it would read `client` of undefined
    requireTicket({ service, permitWithoutTicket }, strict)
    // @ts-expect-error: and so it may where the option is chosen later
    requireTicket({ service, permitWithoutTicket: Math.random() < 0.5 }, strict)
  })

  it('is not for createVerifier and acceptChannels, which say so', async () => {
    const { service } = await startRealm()
    const options = { service, permitWithoutTicket } as never
    expect(() => createVerifier(options)).toThrow(/no option "permitWithoutTicket"/)
    expect(() => acceptChannels(options, () => {})).toThrow(/no option "permitWithoutTicket"/)
  })

  it('is true or false, and addressOf a function', async () => {
    const { service } = await startRealm()
    for (const options of [
      { permitWithoutTicket: 'true' },
      { permitWithoutTicket: 1 },
      { addressOf: 'ip' },
    ]) {
      expect(() => requireTicket({ service, ...options } as never)).toThrow(TypeError)
    }
  })

  it('can be chosen for a route of Fastify, either way', async () => {
    const build = (on: boolean) =>
      startFastify((app, { service }) => {
        void app.register(fastifyPlugin, { service, permitWithoutTicket: on })
        const handler = async (request: FastifyRequest) =>
          `hello ${ticketInFastify(request)?.client ?? 'nobody'}`
        app.get('/as-the-plugin', handler)
        app.get('/other', { config: { orthrus: { permitWithoutTicket: !on } } }, handler)
      })
    for (const on of [true, false]) {
      const realm = await build(on)
      expect((await realm.send(plain([], '/as-the-plugin'))).status).toBe(on ? 200 : 401)
      expect((await realm.send(plain([], '/other'))).status).toBe(on ? 401 : 200)
    }
  })
})
