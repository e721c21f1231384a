import { describe, expect, it } from 'vitest'
import { requireTicket } from '../../../service/fastify.js'
import { TestClock } from '../../support/clock.js'
import { turns, until } from '../../support/turns.js'
import { FeedSetting } from '../feed/setting.js'
import { expectProved, headerOf, ORDERS, WEB } from '../realm.js'
import { startFastify } from './setting.js'

/** What Fastify makes of a request on its way to a route, and what becomes of it there. */

describe('a target', () => {
  it('is bound as it stood on the request line, whatever rewriteUrl makes of it', async () => {
    const realm = await startFastify(
      (app, { service }) => {
        app.register(requireTicket, { service })
        app.get('/orders/:id', async request => [request.url, request.originalUrl, request.ticket.client])
      },
      { fastify: { rewriteUrl: ({ url = '' }) => url.replace(/^\/public/, '') } },
    )
    const signed = realm.sign({ target: '/public/orders/7' })
    const response = await realm.send(signed)
    expect(JSON.parse(response.body.toString())).toEqual(['/orders/7', '/public/orders/7', WEB])
    expectProved(response, signed)
    const inner = realm.sign({ target: '/orders/7' })
    const swapped = await realm.send({ ...inner, target: '/public/orders/7' })
    expect(JSON.parse(swapped.body.toString())).toMatchObject({ code: 'binding_mismatch' })
    const limited = realm.sign(
      { target: '/public/orders/7' },
      { caveats: [{ name: 'paths', prefixes: ['/orders'] }] },
    )
    expect((await realm.send(limited)).status).toBe(403)
  })

  it('cannot be changed by a hook before the plugin without being refused', async () => {
    const realm = await startFastify((app, { service }) => {
      app.addHook('onRequest', async ({ raw }) => {
        raw.url = '/orders/8'
      })
      app.register(requireTicket, { service })
      app.get('/orders/:id', async () => expect.unreachable('it was handled'))
    })
    const response = await realm.send(realm.sign({ target: '/orders/7' }))
    expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'binding_mismatch' })
  })

  it.each(['/Orders/7', '/orders/7/', '//orders/7', '/orders;x/7', '/%6frders/7'])(
    'that routes loosely is held to paths as it came: %s',
    async target => {
      const realm = await startFastify(
        (app, { service }) => {
          app.register(requireTicket, { service })
          app.all('/*', async () => 'ok')
        },
        {
          fastify: {
            routerOptions: {
              caseSensitive: false,
              ignoreTrailingSlash: true,
              ignoreDuplicateSlashes: true,
              // Missing in Fastify's types.
              ...{ useSemicolonDelimiter: true },
            },
          },
        },
      )
      const wide = realm.sign({ target })
      expectProved(await realm.send(wide), wide)
      const narrow = realm.sign({ target }, { caveats: [{ name: 'paths', prefixes: ['/admin'] }] })
      expect((await realm.send(narrow)).status).toBe(403)
    },
  )

  it('of a server behind a proxy that is trusted is that which came, and no header changes it', async () => {
    const realm = await startFastify(
      (app, { service }) => {
        app.register(requireTicket, { service })
        app.get('/orders/:id', async request => [request.ip, request.host, request.protocol])
      },
      { fastify: { trustProxy: true } },
    )
    const headers = [
      ['x-forwarded-for', '192.0.2.7'],
      ['x-forwarded-host', 'orders.example'],
      ['x-forwarded-proto', 'https'],
    ] as const
    const signed = realm.sign({ headers })
    const response = await realm.send(signed)
    expect(JSON.parse(response.body.toString())).toEqual(['192.0.2.7', 'orders.example', 'https'])
    expectProved(response, signed)
    const rewritten = realm.sign()
    const refused = await realm.send({
      ...rewritten,
      headers: [...rewritten.headers, ['x-original-url', '/orders/8']],
    })
    expect([refused.status, JSON.parse(refused.body.toString()).code]).toEqual([400, 'malformed'])
  })

  it('of a route that a version chooses is safe once that header must be covered', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service, requireCovered: ['accept-version'] })
      for (const version of ['1.0.0', '2.0.0']) {
        app.get('/orders', { constraints: { version } }, async () => version)
      }
    })
    const headers = [
      ['orthrus-covered', 'accept-version'],
      ['accept-version', '1.0.0'],
    ] as const
    const signed = realm.sign({ target: '/orders', headers })
    expect((await realm.send(signed)).body.toString()).toBe('1.0.0')
    const other = realm.sign({ target: '/orders', headers })
    const swapped = other.headers.map(([name, value]) =>
      name === 'accept-version' ? ([name, '2.0.0'] as const) : ([name, value] as const),
    )
    for (const changed of [swapped, other.headers.filter(([name]) => name !== 'accept-version')]) {
      const response = await realm.send({ ...other, headers: changed })
      expect(JSON.parse(response.body.toString()).code).toMatch(/binding_mismatch|replay/)
    }
  })
})

describe('a request that is being handled', () => {
  it('ends when its ticket is revoked, and what the handler still answers is dropped', async () => {
    const clock = new TestClock()
    const { feed, kdc } = new FeedSetting({}, undefined, clock)
    const logged: unknown[] = []
    let finish = (): void => {}
    let aborted: unknown
    const realm = await startFastify(
      (app, { service }) => {
        app.register(requireTicket, { service })
        app.get('/orders', async request => {
          request.ticket.signal.addEventListener('abort', () => {
            aborted = request.ticket.signal.reason
          })
          await new Promise<void>(resolve => {
            finish = resolve
          })
          logged.push('answered')
          return 'too late'
        })
      },
      { testClock: clock, feed },
    )
    await clock.elapse(0)
    const ticket = realm.ticket()
    const signed = realm.sign({ target: '/orders' }, { ticket })
    const answer = realm.send(signed)
    await until(() => realm.log.lines.some(({ fields }) => fields.kind === 'accepted'))
    await turns()
    const by = Uint8Array.from(ticket.ticketId.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
    kdc.revoke({ kind: 'ticket', by })
    const response = await answer
    expect(headerOf(response, 'www-authenticate')).toContain('error="revoked"')
    expect(aborted).toMatchObject({ code: 'revoked' })
    finish()
    await until(() => logged.length === 1)
    await turns()
  })

  it('for too long gets what Fastify says then, proved', async () => {
    const realm = await startFastify(
      (app, { service }) => {
        app.register(requireTicket, { service })
        app.get('/orders', () => new Promise(() => {}))
      },
      { fastify: { handlerTimeout: 1 } },
    )
    const signed = realm.sign({ target: '/orders' })
    const response = await realm.send(signed)
    expect([response.status, JSON.parse(response.body.toString()).code]).toEqual([
      503,
      'FST_ERR_HANDLER_TIMEOUT',
    ])
    expectProved(response, signed)
  })

  it('is of the service of its instance, where two are guarded for two', async () => {
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service })
      app.get('/orders', async request => request.ticket.service)
    })
    const signed = realm.sign({ target: '/orders' })
    expect((await realm.send(signed)).body.toString()).toBe(ORDERS)
  })
})
