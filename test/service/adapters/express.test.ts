import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { describe, expect, it } from 'vitest'
import { RequestRefused, requireTicket, ticketIfAny, ticketOf } from '../../../service/index.js'
import { expectProved, expectRefused, headerOf, type RunningRealm, startRealm, WEB } from '../realm.js'
import { type Adapter, hasKey, KEY, NO_KEY, type Reply } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `requireTicket` of `orthrus/service` in Express: its routers, parsers, `res.json` and error handlers. */

const MEGABYTE = 1024 * 1024

/** Express says of itself what it runs on, and of each failure on standard error. */
function quietExpress(): Express {
  const app = express()
  app.set('env', 'test')
  return app
}

async function reply(res: express.Response, { status = 200, headers = [], body }: Reply): Promise<void> {
  res.status(status)
  // `res.set` would add a charset.
  for (const [name, value] of headers) res.appendHeader(name, value)
  if (body instanceof Readable) await pipeline(body, res)
  else if (body === undefined) res.end()
  // Of a text, `res.send` would name the charset.
  else res.send(Buffer.from(body))
}

const byKey: RequestHandler = (req, res, next) => {
  if (hasKey(req.get(KEY[0]))) next()
  else res.status(NO_KEY.status).set(NO_KEY.headers).send(NO_KEY.body)
}

const adapter: Adapter = (options, answer, compression, either) => {
  const app = quietExpress()
  const gate = requireTicket(options)
  app.use(either ? gate.or(byKey) : gate)
  app.use(express.raw({ type: () => true, limit: 30 * MEGABYTE }))
  const handler: RequestHandler = async (req, res) => {
    const { method, originalUrl: target } = req
    const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0)
    const header = (name: string): string | undefined => req.get(name)
    await reply(
      res,
      await answer({ method, target, header, body, ticket: either ? ticketIfAny(req) : ticketOf(req) }),
    )
  }
  app.use((req, res, next) => {
    const run = (): unknown => handler(req, res, next)
    return compression === 'behind' ? compressing(run as never)(req, res) : run()
  })
  const handleError: ErrorRequestHandler = (_error, _req, res, _next) => void res.status(500).send('failed')
  app.use(handleError)
  return compression === 'in front' ? compressing(app) : app
}

describeAdapter('Express', adapter)

const start = (build: (app: Express, realm: RunningRealm) => void) =>
  startRealm({
    listener: realm => {
      const app = quietExpress()
      build(app, realm)
      return app
    },
  })

describe('Express', () => {
  it('parses JSON behind the gate, and answers it with res.json', async () => {
    const realm = await start((app, { service }) => {
      app.post('/pay', requireTicket({ service }), express.json(), (req, res) => {
        res.status(201).json({ by: ticketOf(req).client, sum: req.body.sum })
      })
    })
    const headers = [['content-type', 'application/json']] as const
    const request = realm.sign({ method: 'POST', target: '/pay', headers, body: Buffer.from('{"sum":5}') })
    const response = await realm.send(request)
    expect([response.status, JSON.parse(response.body.toString())]).toEqual([201, { by: WEB, sum: 5 }])
    expectProved(response, request)
  })

  it('refuses a request whose body was parsed before the gate, and the log says what to do', async () => {
    const realm = await start((app, { service }) => {
      app.use(express.json(), requireTicket({ service }))
    })
    const headers = [['content-type', 'application/json']] as const
    const request = realm.sign({ method: 'POST', headers, body: Buffer.from('{"sum":5}') })
    expectRefused(await realm.send(request), request, 'unavailable', '05')
    expect(String(realm.log.lines.at(-1)?.fields.err)).toContain('mount requireTicket before body parsers')
  })

  it('binds the whole target within routers that are mounted in routers, and gates add up', async () => {
    const realm = await start((app, { service }) => {
      const inner = express.Router()
      inner.use(requireTicket({ service, claims: { role: 'reader' } }))
      inner.get('/:id', (req, res) => void res.send(`${req.params.id} ${req.url} ${req.originalUrl}`))
      inner.delete(
        '/:id',
        requireTicket({ service, claims: { role: 'writer' } }),
        (_req, res) => void res.end(),
      )
      const outer = express.Router()
      outer.use('/orders', inner)
      app.use('/api', outer)
    })
    const target = '/api/orders/7?x=1'
    const request = realm.sign({ target }, { caveats: [{ name: 'paths', prefixes: ['/api/orders'] }] })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe('7 /7?x=1 /api/orders/7?x=1')
    expectProved(response, request)
    const writing = realm.sign({ method: 'DELETE', target })
    expectRefused(await realm.send(writing), writing, 'not_authorized', '06')
    const cut = realm.sign({ target: '/7?x=1' })
    expectRefused(await realm.send({ ...cut, target }), cut, 'binding_mismatch', '06')
  })

  it.each(['thrown', 'rejected', 'passed on'])(
    'an error %s is answered by its error handlers, proved',
    async how => {
      const realm = await start((app, { service }) => {
        app.use(requireTicket({ service }))
        app.use((_req, _res, next) => {
          const error = new Error('no database')
          if (how === 'rejected') return Promise.reject(error)
          if (how === 'passed on') return next(error)
          throw error
        })
        const handleError: ErrorRequestHandler = (error, _req, res, _next) => {
          expect(error).not.toBeInstanceOf(RequestRefused)
          res.status(503).json({ sorry: true })
        }
        app.use(handleError)
      })
      const request = realm.sign()
      const response = await realm.send(request)
      expect([response.status, response.body.toString()]).toEqual([503, '{"sorry":true}'])
      expectProved(response, request)
    },
  )

  it.each([
    ['by its error handlers', true],
    ['by Express itself, without one', false],
  ])('renders refusals %s, with the headers of the protocol', async (_, hasHandler) => {
    const realm = await start((app, { service }) => {
      app.use(requireTicket({ service, claims: { role: 'writer' }, passRefusals: true }))
      app.get('/{*any}', () => expect.unreachable('it was let through'))
      const handleError: ErrorRequestHandler = (error: unknown, _req, res, next) => {
        if (!(error instanceof RequestRefused)) return next(error)
        res.removeHeader('www-authenticate')
        res.status(error.status).json({ error: error.code ?? 'no ticket' })
      }
      if (hasHandler) app.use(handleError)
    })
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const response = await realm.send(request)
    expect(response.status).toBe(403)
    expect(headerOf(response, 'www-authenticate')).toMatch(
      /^Orthrus realm="demo.example", error="not_authorized", message="/,
    )
    expect(headerOf(response, 'cache-control')).toBe('no-store')
    if (hasHandler) expect(response.body.toString()).toBe('{"error":"not_authorized"}')
    else expect(headerOf(response, 'content-type')).toContain('text/html')
    expect(response.body.toString()).not.toContain('role')
    const plain = await realm.send({ method: 'GET', target: '/', headers: [] })
    expect([plain.status, headerOf(plain, 'www-authenticate')]).toEqual([401, 'Orthrus realm="demo.example"'])
  })

  it('has types that fit those of node:http', () => {
    const handler: RequestHandler = (req, res, next) => {
      const plain: [IncomingMessage, ServerResponse] = [req, res]
      requireTicket({ service: {} as never })(...plain, next)
    }
    expect(handler).toBeTypeOf('function')
  })
})
