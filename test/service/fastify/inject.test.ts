import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'
import { injectFetch, requireTicket } from '../../../service/fastify.js'
import type { Service } from '../../../service/index.js'
import { startRealm } from '../../../testing/index.js'
import { turns } from '../../support/turns.js'
import * as requests from '../realm.js'

/** `app.inject`, as tests of an application call it: by the client itself, and by hand. */

const ORIGIN = 'http://orders.test'

async function start(build: (app: FastifyInstance) => void) {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders', { claims: { role: 'reader' } })
  const app = await application(await realm.loadService('orders'), build)
  const web = await realm.connect('web', { fetch: injectFetch(app), services: { [ORIGIN]: 'orders' } })
  return { realm, app, web }
}

async function application(service: Service, build: (app: FastifyInstance) => void) {
  const app = Fastify()
  onTestFinished(() => app.close())
  await app.register(requireTicket, { service })
  build(app)
  return app
}

describe('a client of orthrus/client over app.inject', () => {
  it('is served, whatever it sends and gets', async () => {
    const { web } = await start(app => {
      app.get('/orders/:id', async request => ({
        ...(request.params as object),
        client: request.ticket.client,
      }))
      app.post('/orders', async (request, reply) => {
        reply.header('set-cookie', ['a=1', 'b=2'])
        return request.body
      })
      app.delete('/orders', (_request, reply) => reply.code(204).send())
      app.get('/old', (_request, reply) => reply.redirect('/orders/8'))
      app.get('/large', async () => Buffer.alloc(300_000, 'x'))
    })
    const got = await web.fetch(`${ORIGIN}/orders/7?x=1`)
    expect(await got.json()).toEqual({ id: '7', client: 'web@test.example' })
    const posted = await web.fetch(`${ORIGIN}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sku: 1, text: 'x'.repeat(100_000) }),
    })
    expect([await posted.json(), posted.headers.getSetCookie()]).toMatchObject([{ sku: 1 }, ['a=1', 'b=2']])
    expect((await web.fetch(`${ORIGIN}/orders`, { method: 'DELETE' })).status).toBe(204)
    expect((await web.fetch(`${ORIGIN}/orders/7`, { method: 'HEAD' })).status).toBe(200)
    expect(await (await web.fetch(`${ORIGIN}/old`)).json()).toMatchObject({ id: '8' })
    expect((await (await web.fetch(`${ORIGIN}/large`)).arrayBuffer()).byteLength).toBe(300_000)
    expect((await web.fetch(`${ORIGIN}/none`)).status).toBe(404)
  })

  it('is refused as it is over the wire, where it is not allowed', async () => {
    const { realm, web } = await start(app => void app.get('/orders', async () => 'hello'))
    await realm.deny('web', 'orders')
    realm.clock.advance(2 * 60 * 60 * 1000)
    await expect(web.fetch(`${ORIGIN}/orders`)).rejects.toMatchObject({ code: 'policy_denied' })
  })
})

describe('a request by hand over app.inject', () => {
  async function startByHand() {
    const realm = await requests.startRealm()
    const handled: unknown[] = []
    const app = await application(realm.service, app =>
      app.post('/orders', async request => {
        handled.push(request.body)
        return 'ok'
      }),
    )
    const sign = () =>
      realm.sign({
        method: 'POST',
        target: '/orders',
        headers: [['content-type', 'text/plain']],
        body: Buffer.from('pay 1'),
      })
    return { app, handled, sign }
  }

  async function* pieces() {
    for (const piece of ['pa', 'y ', '1']) {
      await turns()
      yield Buffer.from(piece)
    }
  }

  const given = { method: 'POST', url: '/orders' } as const

  it('without a ticket, with another body and for the second time is refused', async () => {
    const { app, handled, sign } = await startByHand()
    const signed = sign()
    const headers = Object.fromEntries(signed.headers)
    expect((await app.inject({ ...given, payload: 'pay 1' })).statusCode).toBe(401)
    const changed = await app.inject({ ...given, headers, payload: 'pay 9' })
    expect([changed.statusCode, changed.json().code]).toEqual([401, 'binding_mismatch'])
    const fresh = Object.fromEntries(sign().headers)
    expect((await app.inject({ ...given, headers: fresh, payload: Buffer.from('pay 1') })).statusCode).toBe(
      200,
    )
    const again = await app.inject({ ...given, headers: fresh, payload: 'pay 1' })
    expect(again.json().code).toBe('replay')
    expect(handled).toEqual(['pay 1'])
  })

  it('whose body comes in pieces is verified, and one of unknown length is refused', async () => {
    const { app, handled, sign } = await startByHand()
    const headers = Object.fromEntries(sign().headers)
    const payload = Readable.from(pieces())
    const known = { ...headers, 'content-length': '5' }
    const whole = await app.inject({ ...given, headers: known, payload })
    expect([whole.statusCode, handled]).toEqual([200, ['pay 1']])
    const chunked = { ...Object.fromEntries(sign().headers), 'transfer-encoding': 'chunked' }
    const unknown = await app.inject({ ...given, headers: chunked, payload: Readable.from(['pay 1']) })
    expect([unknown.statusCode, unknown.json().code]).toEqual([400, 'malformed'])
  })
})
