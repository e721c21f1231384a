import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { requireTicket, type TicketMiddleware, ticketOf } from '../../../service/index.js'
import { loadService } from '../../support/load-service.js'
import { formatRequest } from '../connection.js'
import {
  expectProved,
  expectRefused,
  keytab,
  type RunningRealm,
  type StartOptions,
  startRealm,
  WEB,
} from '../realm.js'

type Step = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void

/** Runs the steps one after the other as Connect and Express do: an error, thrown or passed on, ends in a 500. */
function chain(...steps: Step[]) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const run = (at: number, error?: unknown): void => {
      if (error !== undefined) {
        res.statusCode = 500
        res.end('failed')
        return
      }
      try {
        steps[at]?.(req, res, cause => run(at + 1, cause))
      } catch (cause) {
        run(at, cause)
      }
    }
    run(0)
  }
}

/** Cuts `url` where the steps are mounted, and keeps the whole in `originalUrl`. */
function mount(path: string, step: Step): Step {
  return (req, res, next) => {
    Object.assign(req, { originalUrl: req.url })
    req.url = req.url?.slice(path.length) || '/'
    step(req, res, next)
  }
}

function start(build: (realm: RunningRealm) => Step[], options: StartOptions = {}): Promise<RunningRealm> {
  return startRealm({ ...options, listener: realm => chain(...build(realm)) })
}

const hello: Step = (req, res) => void res.end(`hello ${req.ticket?.client}`)

describe('requireTicket as middleware', () => {
  it('sets the ticket and calls next, and the answer is proved', async () => {
    const realm = await start(({ service }) => [requireTicket({ service }), hello])
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
  })

  it('does not call next for a refused request', async () => {
    let went = false
    const realm = await start(({ service }) => [
      requireTicket({ service, claims: { role: 'writer' } }),
      () => {
        went = true
      },
    ])
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'not_authorized', '06')
    expect(went).toBe(false)
  })

  it('binds the target as the client sent it, wherever it is mounted', async () => {
    const realm = await start(({ service }) => [mount('/api', requireTicket({ service })), hello])
    const request = realm.sign(
      { target: '/api/orders?x=1' },
      { caveats: [{ name: 'paths', prefixes: ['/api'] }] },
    )
    expectProved(await realm.send(request), request)
    const cut = realm.sign({ target: '/orders?x=1' })
    expectRefused(await realm.send({ ...cut, target: '/api/orders?x=1' }), cut, 'binding_mismatch', '06')
  })

  it('leaves the body to a parser that comes after it', async () => {
    const parse: Step = (req, _res, next) => {
      void buffer(req).then(body => {
        Object.assign(req, { body: JSON.parse(body.toString()) })
        next()
      })
    }
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      parse,
      (req, res) => void res.end(JSON.stringify((req as unknown as { body: unknown }).body)),
    ])
    const request = realm.sign({ method: 'POST', body: Buffer.from('{"sku":1}') })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe('{"sku":1}')
    expectProved(response, request)
  })

  it.each([
    [
      'thrown',
      () => {
        throw new Error('no database')
      },
    ],
    ['passed on', (_req, _res, next) => next(new Error('no database'))],
  ] as [string, Step][])('an error %s is answered by the framework, with a proof', async (_, fail) => {
    const realm = await start(({ service }) => [requireTicket({ service }), fail])
    const request = realm.sign()
    const response = await realm.send(request)
    expect([response.status, response.body.toString()]).toEqual([500, 'failed'])
    expectProved(response, request)
  })

  it('answers an error that nobody handles, with a proof', async () => {
    const realm = await startRealm({
      listener:
        ({ service }) =>
        (req, res) =>
          requireTicket({ service })(req, res, () => {
            throw new Error('no database')
          }),
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe('internal error\n')
    expectProved(response, request)
  })

  it('proves an answer whose head others look at late', async () => {
    const late: Step = (_req, res, next) => {
      const { writeHead } = res
      res.writeHead = ((...args: [number]) => {
        res.setHeader('set-cookie', 'a=1')
        return writeHead.apply(res, args)
      }) as typeof res.writeHead
      next()
    }
    const realm = await start(({ service }) => [late, requireTicket({ service }), hello])
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.headers.some(([name]) => name === 'set-cookie')).toBe(true)
    expectProved(response, request)
  })
})

describe('ticketOf', () => {
  it('gives the ticket of a request that passed, whatever stands in req.ticket', async () => {
    const found: unknown[] = []
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      (req, res) => {
        const { ticket } = req
        req.ticket = { client: 'admin@demo.example' } as never
        found.push(ticketOf(req) === ticket)
        res.end(ticketOf(req).client)
      },
    ])
    const request = realm.sign()
    const response = await realm.send(request)
    expect([found, response.body.toString()]).toEqual([[true], WEB])
    expectProved(response, request)
  })

  it('throws what to do for a request that no gate let through', async () => {
    const told: string[] = []
    const realm = await start(({ service }) => [
      (req, _res, next) => {
        req.ticket = { client: 'admin@demo.example' } as never
        for (const given of [req, { raw: req }, { req }, undefined, null, {}]) {
          try {
            ticketOf(given as never)
          } catch (cause) {
            if (cause instanceof TypeError) told.push(cause.message)
          }
        }
        next()
      },
      requireTicket({ service }),
      hello,
    ])
    await realm.get()
    const mount =
      'requireTicket has not let this request through: mount it before whatever asks for the ticket'
    expect(told.map(text => text.replace('ticketOf found no ticket: ', ''))).toEqual([
      mount,
      'it takes the request of node:http: request.ticket with orthrus/fastify, or ticketOf(request.raw)',
      'it takes the request of node:http: ticketOf(ctx.req)',
      mount,
      mount,
      mount,
    ])
  })
})

describe('a response', () => {
  it('whose end was replaced afterwards is proved as the replacement ends it, once', async () => {
    let ended = 0
    const shout: Step = (_req, res, next) => {
      const { end } = res
      res.end = ((text: string) => {
        ended += 1
        return end.call(res, text.toUpperCase(), 'utf8')
      }) as typeof res.end
      next()
    }
    const realm = await start(({ service }) => [requireTicket({ service }), shout, hello])
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`HELLO ${WEB.toUpperCase()}`)
    expectProved(response, request)
    expect(ended).toBe(1)
  })

  it('is proved even if it is answered through an object derived from it', async () => {
    const derived: Step = (_req, res) => {
      const response: ServerResponse = Object.create(res)
      response.setHeader('content-type', 'text/plain')
      expect(response.headersSent).toBe(false)
      response.write('a')
      expect(response.headersSent).toBe(true)
      response.end('b')
    }
    const realm = await start(({ service }) => [requireTicket({ service }), derived])
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe('ab')
    expectProved(response, request)
  })

  it('has methods of its own', async () => {
    const steal: Step = (_req, res) => {
      const { end } = res
      expect(() => end.call({} as ServerResponse, 'a', 'utf8')).toThrow(TypeError)
      res.end('a')
    }
    const realm = await start(({ service }) => [requireTicket({ service }), steal])
    const request = realm.sign()
    expectProved(await realm.send(request), request)
  })
})

describe('requireTicket within requireTicket', () => {
  it('one service loaded twice proves a response once', async () => {
    const realm = await startRealm({
      listener: ({ service, clock, log: logger }) => {
        const twin = loadService({ keytab, clock, logger, service: 'orders' })
        return (req, res) => {
          void twin.then(again => {
            clock.advance(10_000)
            chain(requireTicket({ service }), requireTicket({ service: again }), hello)(req, res)
          })
        }
      },
    })
    const request = realm.sign({}, { time: realm.clock.now() + 10_000 })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
    expect(response.headers.filter(([name]) => name.toLowerCase() === 'authentication-info')).toHaveLength(1)
  })

  it('a request that meets its filter again is no replay', async () => {
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      requireTicket({ service }),
      requireTicket({ service, claims: { role: 'reader' } }),
      hello,
    ])
    const request = realm.sign({ method: 'POST', body: Buffer.from('x') })
    expectProved(await realm.send(request), request)
    expectRefused(await realm.send(request), request, 'replay', '06')
  })

  it('the inner one checks its own requirements', async () => {
    const realm = await start(({ service }) => [
      requireTicket({ service, claims: { role: 'reader' } }),
      (_req, res, next) => {
        res.setHeader('content-type', 'text/html')
        res.setHeader('set-cookie', 'a=1')
        res.write('half an answer')
        next()
      },
      requireTicket({ service, claims: { role: 'writer' } }),
      hello,
    ])
    const connection = realm.connect()
    const request = realm.sign()
    const response = await connection.write(formatRequest(request), 'GET').response()
    expectRefused(response, request, 'not_authorized', '06')
    expect(response.headers.some(([name]) => name === 'set-cookie')).toBe(false)
    expectRefused(await connection.write(formatRequest(request), 'GET').response(), request, 'replay', '06')
  })

  it('what is written after a refusal is dropped', async () => {
    const failures: unknown[] = []
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      (_req, res, next) => {
        res.on('error', cause => failures.push(cause))
        res.on('finish', () => {
          res.write('more')
          res.end('and more')
        })
        next()
      },
      requireTicket({ service, claims: { role: 'writer' } }),
      hello,
    ])
    const connection = realm.connect()
    const request = realm.sign()
    const response = await connection.write(formatRequest(request), 'GET').response()
    expectRefused(response, request, 'not_authorized', '06')
    expectRefused(await connection.write(formatRequest(request), 'GET').response(), request, 'replay', '06')
    expect(connection.left).toHaveLength(0)
    expect(failures).toEqual([])
  })

  it('an answer that was given before stays', async () => {
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      (req, res, next) => {
        hello(req, res, next)
        next()
      },
      requireTicket({ service, claims: { role: 'writer' } }),
    ])
    const connection = realm.connect()
    for (let times = 0; times < 2; times++) {
      const request = realm.sign()
      expectProved(await connection.write(formatRequest(request), 'GET').response(), request)
    }
  })

  it('the inner one may be around a handler', async () => {
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      requireTicket({ service }, (_req, res, ticket) => res.end(ticket.client)),
    ])
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(WEB)
    expectProved(response, request)
  })

  it('checkers of the inner one are used, and those that only the outer one has stay', async () => {
    const asked: string[] = []
    const checker = (name: string, holds: boolean) => () => {
      asked.push(name)
      return holds
    }
    const build =
      (holds: boolean) =>
      ({ service }: RunningRealm): TicketMiddleware[] => [
        requireTicket({ service, caveats: { a: checker('outer a', true), b: checker('outer b', true) } }),
        requireTicket({ service, caveats: { b: checker('inner b', holds) } }),
      ]
    const caveats = ['a', 'b'].map(app => ({ name: 'app', app, value: 1 }) as const)
    const good = await start(realm => [...build(true)(realm), hello])
    const request = good.sign({}, { caveats })
    expectProved(await good.send(request), request)
    expect(asked).toEqual(['outer a', 'outer b', 'inner b'])
    for (const answer of [false, undefined, 1]) {
      const bad = await start(realm => [...build(answer as boolean)(realm), hello])
      const refused = bad.sign({}, { caveats })
      expectRefused(await bad.send(refused), refused, 'caveat_failed', '06')
    }
  })

  it('one of another service does not accept the ticket of the first', async () => {
    const realm = await startRealm({
      listener: ({ service, clock, log: logger }) => {
        const other = loadService({ keytab, service: 'billing', clock, logger })
        return (req, res) => {
          void other.then(billing =>
            chain(requireTicket({ service }), requireTicket({ service: billing }), hello)(req, res),
          )
        }
      },
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expectRefused(response, request, 'ticket_invalid', '05')
  })

  it('each logs a request once', async () => {
    const realm = await start(({ service }) => [
      requireTicket({ service }),
      requireTicket({ service }),
      hello,
    ])
    await realm.get()
    expect(realm.log.lines.map(({ message }) => message)).toEqual(['a request was accepted'])
  })
})

describe('middleware before the gate that deletes the header that announces a body', () => {
  const hide =
    (name: string): Step =>
    (req, _res, next) => {
      delete req.headers[name]
      next()
    }
  const body = Buffer.from('{"sku":1}')
  const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

  it.each([
    ['content-length', String(body.length), body],
    ['Content-Length', String(body.length), body],
    ['transfer-encoding', 'chunked', Buffer.from(chunks)],
  ])('%s hides no body from the binding', async (name, value, bytes) => {
    const handled: Buffer[] = []
    const realm = await start(({ service }) => [
      hide(name.toLowerCase()),
      requireTicket({ service }),
      (req, res) => void buffer(req).then(read => res.end(String(handled.push(read)))),
    ])
    const send = async (signed: Buffer | undefined) => {
      const request = realm.sign({ method: 'POST', ...(signed === undefined ? {} : { body: signed }) })
      const { body: _, ...head } = request
      const raw = formatRequest({ ...head, headers: [...head.headers, [name, value]] })
      const connection = realm.connect()
      return { request, response: await connection.write(Buffer.concat([raw, bytes]), 'POST').response() }
    }
    const added = await send(undefined)
    expectRefused(added.response, added.request, 'binding_mismatch', '06')
    expect(handled).toEqual([])
    const genuine = await send(body)
    expectProved(genuine.response, genuine.request)
    expect(handled).toEqual([body])
  })

  it('that waited for the body and deleted what announced it even in rawHeaders hides none', async () => {
    const realm = await start(({ service }) => [
      (req, _res, next) => {
        const arrived = (): void => {
          if (req.readableLength === 0) return void setImmediate(arrived)
          req.rawHeaders.splice(req.rawHeaders.indexOf('content-length'), 2)
          delete req.headers['content-length']
          next()
        }
        arrived()
      },
      requireTicket({ service }),
      hello,
    ])
    const { body: _, ...head } = realm.sign({ method: 'POST' })
    const response = await realm.send({ ...head, body })
    expectRefused(response, head, 'binding_mismatch', '06')
  })
})
