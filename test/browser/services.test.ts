import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { describe, expect, it, onTestFinished } from 'vitest'
import { requireTicket as inFastify } from '../../service/fastify.js'
import { requireTicket as inHandlers, ticketOf as ticketOfRequest } from '../../service/fetch-handler.js'
import { requireTicket as inKoa, ticketOf } from '../../service/koa.js'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'
import { startHttp2Proxy } from '../support/http2-proxy.js'
import { type PageWorld, startPageWorld } from './page.js'

/** What pages need of the servers that they call: CORS of every adapter, and HTTP/2 for bodies that are streamed. */

const COVERED = 'idempotency-key'

/** What `requireTicket` of each adapter is told. */
function optionsFor({ service, origin }: PageWorld) {
  return { service, cors: { origins: [origin] }, requireCovered: [COVERED], coverResponseHeaders: ['etag'] }
}

/** Servers that answer with who asks, what it sent, and an etag. @returns its origin */
type Start = (world: PageWorld) => Promise<string>

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const ADAPTERS: Readonly<Record<string, Start>> = {
  Fastify: async world => {
    const app = Fastify()
    onTestFinished(() => app.close())
    await app.register(inFastify, optionsFor(world))
    app.post('/orders', async (request, reply) =>
      reply.header('etag', '"1"').send(`${request.ticket.client} ${String(request.body)}`),
    )
    return await app.listen({ host: '127.0.0.1', port: 0 })
  },
  Koa: world => {
    const app = new Koa()
    app.use(inKoa(optionsFor(world)))
    app.use(async ctx => {
      const pieces: Buffer[] = []
      for await (const piece of ctx.req) pieces.push(piece as Buffer)
      ctx.set('etag', '"1"')
      ctx.body = `${ticketOf(ctx).client} ${Buffer.concat(pieces)}`
    })
    return listen(app.callback())
  },
  Hono: async world => {
    const app = new Hono()
    app.use(inHandlers(optionsFor(world)))
    app.post('/orders', async c =>
      c.text(`${ticketOfRequest(c.req.raw).client} ${await c.req.text()}`, 200, { etag: '"1"' }),
    )
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
    await new Promise(resolve => server.once('listening', resolve))
    onTestFinished(() => void server.close())
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
}

describe.skipIf(!hasChromium)('a page of another origin', { timeout: 120_000 }, () => {
  it('calls services in Fastify, Koa and Hono: plainly, with sealed bodies, and reads what is covered and refused', async () => {
    const world = await startPageWorld()
    const { page } = await world.open()
    const evil = await openPage(await serveFiles({ '/': '<!doctype html>' }))
    for (const [name, start] of Object.entries(ADAPTERS)) {
      const orders = await start(world)
      const seen = await page.evaluate(
        async ({ kdc, text, orders }) => {
          const realm = await orthrus.connect({ kdc, keytab: { text }, services: { [orders]: 'orders' } })
          const headers = { 'idempotency-key': 'k', 'content-type': 'text/plain' }
          const call = async (own: object): Promise<unknown> => {
            try {
              const init = { method: 'POST', body: 'é', headers, cover: ['idempotency-key'], ...own }
              const response = await realm.fetch(`${orders}/orders`, init)
              const etag = response.covered.includes('etag') ? response.headers.get('etag') : 'not covered'
              return [response.status, etag, await response.text()]
            } catch (error) {
              return (error as { code?: string }).code
            }
          }
          const answers = [await call({}), await call({ sealed: true }), await call({ cover: [] })]
          realm.close()
          return answers
        },
        { kdc: world.realm.kdc.url, text: world.realm.keytab('web'), orders },
      )
      const answer = [200, '"1"', 'web@test.example é']
      expect([name, ...seen]).toEqual([name, answer, answer, 'binding_mismatch'])
      const hidden = await evil.page.evaluate(async url => {
        const told = (options: RequestInit): Promise<string> =>
          fetch(url, options).then(
            () => 'read',
            () => 'hidden',
          )
        const asked = { method: 'POST', headers: { authorization: 'Orthrus AQ' } }
        return [await told({ method: 'POST' }), await told(asked)]
      }, `${orders}/orders`)
      expect([name, ...hidden]).toEqual([name, 'hidden', 'hidden'])
    }
  })

  it('streams a sealed body through a proxy that speaks HTTP/2, and says what is missing without one', async () => {
    const world = await startPageWorld()
    const secure = await startHttp2Proxy(world.orders)
    const { page } = await world.open(await openContext({ ignoreHTTPSErrors: true }))
    const seen = await page.evaluate(
      async ({ kdc, text, orders, secure }) => {
        const services = { [orders]: 'orders', [secure]: 'orders' }
        const realm = await orthrus.connect({ kdc, keytab: { text }, services })
        const stream = (pieces: number): ReadableStream<Uint8Array> => {
          let left = pieces
          return new ReadableStream({
            pull: controller => {
              if (left-- > 0) controller.enqueue(new Uint8Array(50_000).fill(120))
              else controller.close()
            },
          })
        }
        const call = (url: string, sealed: boolean, pieces = sealed ? 40 : 10): Promise<number | string> =>
          realm.fetch(`${url}/1`, { method: 'POST', body: stream(pieces), sealed }).then(
            async response => (await response.text()).length,
            error => (error as Error).message,
          )
        const answers = []
        for (const url of [secure, orders]) answers.push(await call(url, false), await call(url, true))
        answers.push(await call(secure, false, 40))
        realm.close()
        return answers
      },
      { kdc: world.realm.kdc.url, text: world.realm.keytab('web'), orders: world.orders, secure },
    )
    const said = 'web@test.example POST '.length
    // What is not sealed is read whole before it is sent, and so needs no HTTP/2. What is sealed may be larger than `maxBody`.
    const [whole, streamed] = [said + 500_000, said + 2_000_000]
    const streams = expect.stringMatching(/streams a body only over HTTP\/2/)
    expect(seen).toEqual([whole, streamed, whole, streams, expect.stringMatching(/^too_large: /)])
  })
})
