import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { requireTicket } from '../../../service/fastify.js'
import { expectProved, headerOf, type RunningRealm, startRealm, WEB } from '../realm.js'
import { startFastify } from './setting.js'

/** Which routes of an application `orthrus/fastify` guards. */

/** What a request with a ticket gets, after one without was challenged. */
async function guarded(realm: RunningRealm, target: string, method = 'GET') {
  const plain = await realm.send({ method, target, headers: [] })
  expect([plain.status, headerOf(plain, 'www-authenticate')]).toEqual([401, 'Orthrus realm="demo.example"'])
  expect(headerOf(plain, 'cache-control')).toBe('no-store')
  const signed = realm.sign({ method, target })
  const response = await realm.send(signed)
  expectProved(response, signed)
  return response
}

const hello = (app: FastifyInstance, path: string) =>
  app.get(path, async request => `hello ${request.ticket.client}`)

describe('requireTicket of orthrus/fastify', () => {
  it('guards what stands before it and after it, within plugins too', async () => {
    const realm = await startFastify((app, { service }) => {
      hello(app, '/before')
      app.register(async child => {
        hello(child, '/plugin-before')
        child.register(async grandchild => void hello(grandchild, '/deep-before'), { prefix: '/deep' })
      })
      app.register(requireTicket, { service })
      app.register(async child => void hello(child, '/plugin-after'), { prefix: '/v1' })
      app.after(() => void hello(app, '/after'))
      hello(app, '/last')
    })
    const paths = ['/before', '/plugin-before', '/deep/deep-before', '/v1/plugin-after', '/after', '/last']
    for (const path of paths) {
      expect((await guarded(realm, path)).body.toString()).toBe(`hello ${WEB}`)
      expect((await guarded(realm, path, 'HEAD')).body.toString()).toBe('')
    }
  })

  it('guards what is not found, whoever answers that', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service })
      app.register(
        async child => {
          child.setNotFoundHandler((_request, reply) => reply.code(404).send('nothing here'))
          child.get('/gone', (_request, reply) => reply.callNotFound())
        },
        { prefix: '/v1' },
      )
    })
    const missing = await guarded(realm, '/none')
    expect([missing.status, JSON.parse(missing.body.toString())]).toMatchObject([404, { statusCode: 404 }])
    for (const path of ['/v1/none', '/v1/gone']) {
      expect((await guarded(realm, path)).body.toString()).toBe('nothing here')
    }
    expect((await guarded(realm, '/none', 'DELETE')).status).toBe(404)
  })

  it('registered in a plugin guards that plugin alone', async () => {
    const realm = await startFastify((app, { service }) => {
      app.get('/health', async () => 'ok')
      app.register(
        async child => {
          child.register(async early => void hello(early, '/early'))
          await child.register(requireTicket, { service })
          child.setNotFoundHandler((_request, reply) => reply.code(404).send('nothing'))
          hello(child, '/orders')
        },
        { prefix: '/v1' },
      )
    })
    const health = await realm.send({ method: 'GET', target: '/health', headers: [] })
    expect([health.status, health.body.toString()]).toEqual([200, 'ok'])
    for (const path of ['/v1/early', '/v1/orders']) await guarded(realm, path)
    expect((await guarded(realm, '/v1/none')).status).toBe(404)
  })

  it('registered twice asks for what both ask for, and proves once', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service, claims: { role: 'reader' } })
      app.register(async child => {
        child.register(requireTicket, { service, claims: { role: 'writer' } })
        hello(child, '/write')
      })
      hello(app, '/read')
    })
    await guarded(realm, '/read')
    const signed = realm.sign({ target: '/write' })
    const refused = await realm.send(signed)
    expect([refused.status, headerOf(refused, 'authentication-info')]).toEqual([403, undefined])
    expect(JSON.parse(refused.body.toString())).toMatchObject({ code: 'not_authorized', statusCode: 403 })
    const writer = realm.sign(
      { target: '/write' },
      { ticket: realm.ticket({ claims: [['role', ['reader', 'writer']]] }) },
    )
    expectProved(await realm.send(writer), writer)
  })
})

describe('a hook before it', () => {
  it('answers preflights of browsers, and what it says to pages stands in refusals and answers too', async () => {
    const realm = await startFastify((app, { service }) => {
      app.addHook('onRequest', async (request, reply) => {
        reply.header('access-control-allow-origin', 'https://app.example')
        if (request.method === 'OPTIONS') await reply.code(204).send()
      })
      app.register(requireTicket, { service })
      app.options('/orders', async () => expect.unreachable('it was handled'))
      hello(app, '/orders')
    })
    const preflight = await realm.send({ method: 'OPTIONS', target: '/orders', headers: [] })
    const refused = await realm.send({ method: 'GET', target: '/orders', headers: [] })
    const signed = realm.sign({ target: '/orders' })
    const answered = await realm.send(signed)
    expectProved(answered, signed)
    expect([preflight, refused, answered].map(({ status }) => status)).toEqual([204, 401, 200])
    for (const response of [preflight, refused, answered]) {
      expect(headerOf(response, 'access-control-allow-origin')).toBe('https://app.example')
    }
  })
})

describe('config.orthrus of a route', () => {
  it('asks for more than the plugin, and never for less', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service, claims: { team: 'a' } })
      app.after(() => {
        app.get('/write', { config: { orthrus: { claims: { role: 'writer' } } } }, async () => 'written')
        app.get('/covered', { config: { orthrus: { requireCovered: ['x-tenant'] } } }, async () => 'seen')
      })
    })
    const send = async (target: string, claims: readonly (readonly [string, string])[]) => {
      const signed = realm.sign({ target }, { ticket: realm.ticket({ claims }) })
      return (await realm.send(signed)).status
    }
    expect(await send('/write', [['role', 'writer']])).toBe(403)
    expect(await send('/write', [['team', 'a']])).toBe(403)
    expect(
      await send('/write', [
        ['role', 'writer'],
        ['team', 'a'],
      ]),
    ).toBe(200)
    expect(await send('/covered', [['team', 'a']])).toBe(401)
  })

  it("that says 'unprotected' opens that route, which then has no ticket", async () => {
    const realm = await startFastify((app, { service }) => {
      app.get('/early', { config: { orthrus: 'unprotected' } }, async () => 'ok')
      app.register(requireTicket, { service })
      app.after(() => {
        app.get('/health', { config: { orthrus: 'unprotected' } }, async () => 'ok')
        app.get('/asks', { config: { orthrus: 'unprotected' } }, async request => request.ticket.client)
        hello(app, '/orders')
      })
    })
    for (const target of ['/early', '/health']) {
      const response = await realm.send({ method: 'GET', target, headers: [] })
      expect([response.status, response.body.toString()]).toEqual([200, 'ok'])
    }
    const asks = await realm.send({ method: 'GET', target: '/asks', headers: [] })
    expect([asks.status, JSON.parse(asks.body.toString()).message]).toEqual([
      500,
      expect.stringContaining("its route is 'unprotected'"),
    ])
    await guarded(realm, '/orders')
  })

  it.each([
    ['a misspelt option', { claim: { role: 'writer' } }, 'did you mean "claims"?'],
    ['an option of the plugin alone', { onRefused: () => {} }, 'has no option "onRefused"'],
    ['a misspelt word', 'unprotectd', 'an object of options'],
    ['false', false, 'an object of options'],
    ['null', null, 'an object of options'],
    ['a claim that is none', { claims: { role: null } }, 'the claim "role"'],
  ])('is refused where it has %s', async (_, orthrus, message) => {
    const { service } = await startRealm()
    const app = Fastify()
    await app.register(requireTicket, { service })
    expect(() => app.get('/x', { config: { orthrus: orthrus as never } }, async () => 'x')).toThrow(message)
  })

  it('that cannot be meant so, of a route that stood there before the plugin, lets nobody through', async () => {
    const handled: unknown[] = []
    const realm = await startFastify((app, { service }) => {
      app.get('/x', { config: { orthrus: { claim: {} } as never } }, async () => handled.push(1))
      app.register(requireTicket, { service })
    })
    const signed = realm.sign({ target: '/x' })
    for (const request of [signed, { method: 'GET', target: '/x', headers: [] }]) {
      expect((await realm.send(request)).status).toBe(500)
    }
    expect(handled).toEqual([])
  })
})

describe('the plugin', () => {
  it('says what it is, as fastify-plugin would', async () => {
    const { service } = await startRealm()
    const app = Fastify()
    await app.register(requireTicket, { service })
    expect(app.hasPlugin('orthrus')).toBe(true)
    expect(app.printPlugins()).toContain('orthrus')
    Object.defineProperty(app, 'version', { value: '4.29.0' })
    await expect(async () => app.register(requireTicket, { service })).rejects.toThrow('5.x')
  })

  it.each([
    ['of another name', { serivce: {} }, 'did you mean "service"?'],
    ['without a service', {}, 'service is what loadService gives'],
    ['for a prefix, which would guard nothing', { prefix: '/v1' }, 'has no option "prefix"'],
  ])('refuses options %s', async (_, options, message) => {
    const app = Fastify()
    await expect(async () => app.register(requireTicket, options as never)).rejects.toThrow(message)
  })

  it('called as a function, or used as a hook, says how it is registered', async () => {
    const { service } = await startRealm()
    const called = requireTicket as unknown as (options: object) => Promise<void>
    await expect(called({ service })).rejects.toThrow('app.register(requireTicket, { service })')
    const app = Fastify()
    app.addHook('onRequest', requireTicket as never)
    app.get('/x', async () => 'x')
    const response = await app.inject('/x')
    expect([response.statusCode, response.json().message]).toEqual([
      500,
      expect.stringContaining('is a plugin: await app.register(requireTicket, { service })'),
    ])
  })

  it('does not hide a ticket of the application’s own', async () => {
    const { service } = await startRealm()
    const app = Fastify()
    app.decorateRequest('ticket', null as never)
    await expect(async () => app.register(requireTicket, { service })).rejects.toThrow(
      "'ticket' has already been added",
    )
  })
})
