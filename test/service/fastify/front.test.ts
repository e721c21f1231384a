import type { FastifyInstance, FastifyRequest } from 'fastify'
import { describe, expect, it } from 'vitest'
import { requireTicket, ticketIfAny } from '../../../service/fastify.js'
import { expectProved, headerOf, WEB } from '../realm.js'
import { listenerOf, startFastify } from './setting.js'

/** Pages of other origins, and a ticket or something else, by the habits of Fastify: plugins, prefixes, hooks. */

const APP = 'https://app.example'
const cors = { origins: [APP] }
const from = ['origin', APP] as const
const ask = (target: string) => ({
  method: 'OPTIONS',
  target,
  headers: [from, ['access-control-request-method', 'POST'] as const],
})
const plain = (target: string, ...headers: (readonly [string, string])[]) => ({
  method: 'GET',
  target,
  headers,
})

describe('cors of a plugin within another', () => {
  const build = (app: FastifyInstance, service: Parameters<typeof requireTicket>[1]['service']): void => {
    app.get('/health', async () => 'ok')
    app.register(
      async orders => {
        await orders.register(requireTicket, { service, cors })
        orders.get('/', async () => 'all')
        orders.get('/:id', async request => `hello ${request.ticket.client}`)
        orders.post('/:id', async () => 'paid')
        orders.register(async inner => void inner.put('/parts/:id', async () => 'put'))
      },
      { prefix: '/orders' },
    )
  }

  it('answers for its routes, and those of plugins within it, and for no others', async () => {
    const realm = await startFastify((app, { service }) => build(app, service))
    for (const target of ['/orders', '/orders/', '/orders/7', '/orders/parts/7']) {
      const asked = await realm.send(ask(target))
      expect([target, asked.status, headerOf(asked, 'access-control-allow-origin')]).toEqual([
        target,
        204,
        APP,
      ])
    }
    const elsewhere = await realm.send(ask('/health'))
    expect([elsewhere.status, headerOf(elsewhere, 'access-control-allow-origin')]).toEqual([404, undefined])
    const signed = realm.sign({ headers: [from] })
    const response = await realm.send(signed)
    expectProved(response, signed)
    expect(headerOf(response, 'access-control-allow-origin')).toBe(APP)
  })

  it('lets nobody but browsers use the method OPTIONS: a ticket is wanted, and then nothing is found', async () => {
    const realm = await startFastify((app, { service }) => build(app, service))
    expect((await realm.send({ ...plain('/orders/7'), method: 'OPTIONS' })).status).toBe(401)
    const signed = realm.sign({ method: 'OPTIONS' })
    expect((await realm.send(signed)).status).toBe(404)
  })

  it('leaves alone a route for OPTIONS that is there', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(async orders => {
        await orders.register(requireTicket, { service, cors })
        orders.options('/orders/:id', async () => 'mine')
        orders.get('/orders/:id', async () => 'all')
      })
    })
    const signed = realm.sign({ method: 'OPTIONS' })
    const response = await realm.send(signed)
    expect(response.body.toString()).toBe('mine')
    expectProved(response, signed)
    expect((await realm.send(ask('/orders/7'))).status).toBe(204)
  })
})

describe('cors of the application', () => {
  it('lets its pages read a route for everybody too', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service, cors })
      app.get('/health', { config: { orthrus: 'unprotected' } }, async (_, reply) =>
        reply.header('x-own', 'y').send('ok'),
      )
    })
    const response = await realm.send(plain('/health', from))
    expect([response.status, headerOf(response, 'access-control-allow-origin')]).toEqual([200, APP])
    expect([headerOf(response, 'x-own'), headerOf(response, 'vary')]).toEqual(['y', 'origin'])
  })
})

describe('or of a route', () => {
  const byKey = async (request: FastifyRequest): Promise<void> => {
    if (request.headers['x-api-key'] !== 'right')
      throw Object.assign(new Error('no key'), { statusCode: 402 })
  }

  it('may throw, which the error handlers of Fastify answer, and leaves other routes alone', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service })
      const hello = (request: FastifyRequest): string =>
        `hello ${ticketIfAny(request)?.client ?? 'who has the key'}`
      app.get('/either', { config: { orthrus: { or: byKey } } }, async request => {
        if (ticketIfAny(request) === undefined) expect(() => request.ticket).toThrow(TypeError)
        return hello(request)
      })
      app.get('/tickets', async request => hello(request))
    })
    const key = ['x-api-key', 'right'] as const
    const statuses = []
    for (const request of [plain('/either', key), plain('/either'), plain('/tickets', key)]) {
      statuses.push((await realm.send(request)).status)
    }
    expect(statuses).toEqual([200, 402, 401])
    const signed = realm.sign({ target: '/either' })
    const response = await realm.send(signed)
    expectProved(response, signed)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
  })

  it('still asks more of whoever has a ticket', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service })
      app.get('/either', { config: { orthrus: { or: byKey, claims: { role: 'writer' } } } }, async () => 'x')
    })
    expect((await realm.send(realm.sign({ target: '/either' }))).status).toBe(403)
  })

  it('is a function, and no option of the plugin', async () => {
    const { service } = await startFastify(() => {})
    const adding = (config: object, options = {}) =>
      listenerOf(app => {
        app.register(requireTicket, { service, ...options })
        app.register(async routes => void routes.get('/', { config }, async () => 'x'))
      })
    await expect(adding({ orthrus: { or: 'x-api-key' } })).rejects.toThrow('or in config.orthrus of a route')
    await expect(adding({}, { or: byKey })).rejects.toThrow('requireTicket has no option "or"')
  })
})
