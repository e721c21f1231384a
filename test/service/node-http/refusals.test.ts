import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { RequestRefused, type RequireTicketOptions, requireTicket, ticketOf } from '../../../service/index.js'
import { openError } from '../../../shared/encoding/error.js'
import type { WireCode } from '../../../shared/errors.js'
import { parseChallenges } from '../../../shared/http/headers.js'
import { TestClock } from '../../support/clock.js'
import { until } from '../../support/turns.js'
import { formatRequest, type RawResponse } from '../connection.js'
import { FeedSetting } from '../feed/setting.js'
import { expectProved, expectRefused, headerOf, type SignedRequest, startRealm, WEB } from '../realm.js'

/** Refusals that the application writes: the protocol's headers are there whatever it does. */

type OnRefused = NonNullable<RequireTicketOptions['onRefused']>

const valuesOf = ({ headers }: RawResponse, wanted: string): string[] =>
  headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)

/** The client finds the proved ERROR whatever stands beside it, and nothing there looks like a proof. */
function expectTold(response: RawResponse, request: SignedRequest, code: WireCode): void {
  const challenges = parseChallenges(valuesOf(response, 'www-authenticate').join(', '))
  const errors = challenges.map(({ error }) => openError(error ?? Buffer.alloc(0), request.key, request.mac))
  expect(errors).toMatchObject([{ code, authenticated: true }])
  expect(valuesOf(response, 'authentication-info')).toEqual([])
  expect(valuesOf(response, 'cache-control')).toEqual(['no-store'])
}

/** A service whose client lacks the claim, so that each request is refused once it was verified. */
const startRefusing = (onRefused: OnRefused, more: object = {}) =>
  startRealm({ claims: { role: 'writer' }, onRefused, ...more })

async function refusedBy(onRefused: OnRefused, more: object = {}) {
  const realm = await startRefusing(onRefused, more)
  const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
  return { realm, request, response: await realm.send(request) }
}

describe('onRefused', () => {
  it('may answer, with the status and headers of the refusal as they were set for it', async () => {
    const { request, response, realm } = await refusedBy(({ code, reason }, req, res) => {
      expect([res.statusCode, req.method, reason]).toEqual([403, 'POST', 'the claim "role" is missing'])
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ error: code }))
    })
    expect([response.status, response.body.toString()]).toEqual([403, '{"error":"not_authorized"}'])
    expect(headerOf(response, 'content-type')).toBe('application/json')
    expectTold(response, request, 'not_authorized')
    expect(realm.handled).toEqual([])
  })

  it.each<[string, (res: ServerResponse) => void]>([
    ['removes every header', res => res.getHeaderNames().forEach(name => void res.removeHeader(name))],
    [
      'writes others in their place',
      res => void res.writeHead(418, { 'WWW-Authenticate': 'Basic realm="x"' }),
    ],
    ['writes a proof', res => void res.setHeader('authentication-info', 'Orthrus AQk')],
    ['lets it be stored', res => void res.setHeader('cache-control', 'max-age=600')],
    ['announces another length', res => void res.setHeader('content-length', 3)],
    ['writes in chunks', res => void res.setHeader('transfer-encoding', 'chunked').write('a')],
    ['adds trailers', res => void res.setHeader('trailer', 'x').addTrailers({ x: '1' })],
  ])('has the headers of the protocol even if it %s', async (_, change) => {
    const { request, response } = await refusedBy((_refused, _req, res) => {
      change(res)
      res.end('no, and more')
    })
    expect(response.body.toString()).toMatch(/^a?no, and more$/)
    expectTold(response, request, 'not_authorized')
  })

  it('keeps challenges of other schemes and cookies, each on its own line', async () => {
    const { request, response } = await refusedBy((_refused, _req, res) => {
      res.appendHeader('www-authenticate', 'Basic realm="x"')
      res.setHeader('set-cookie', ['a=1', 'b=2'])
      res.writeHead(401).end('log in')
    })
    expect(response.status).toBe(401)
    expect(valuesOf(response, 'www-authenticate')).toEqual([
      expect.stringMatching(/^Orthrus /),
      'Basic realm="x"',
    ])
    expect(valuesOf(response, 'set-cookie')).toEqual(['a=1', 'b=2'])
    expectTold(response, request, 'not_authorized')
  })

  it.each([
    [200, 403],
    [204, 403],
    [303, 303],
    [404, 404],
    [500, 500],
  ])('with the status %d is answered with %d', async (written, status) => {
    const { request, response } = await refusedBy((_refused, _req, res) => void res.writeHead(written).end())
    expect(response.status).toBe(status)
    expectTold(response, request, 'not_authorized')
  })

  it.each<[string, OnRefused]>([
    ['nothing', () => {}],
    ['nothing, later', async () => {}],
    ['headers alone', (_refused, _req, res) => void res.setHeader('x-seen', '1')],
    [
      'and throws',
      (_refused, _req, res) => {
        res.write('half an')
        throw new Error('no template')
      },
    ],
    [
      'and rejects',
      async (_refused, _req, res) => {
        res.write('half an')
        throw new Error('no template')
      },
    ],
    ['more than a response may have', (_refused, _req, res) => void res.end('x'.repeat(101))],
  ])('that writes %s leaves the refusal as it is', async (_, onRefused) => {
    const { request, response } = await refusedBy(onRefused, { maxResponse: 100 })
    expectRefused(response, request, 'not_authorized', '06')
  })

  it('that fails is told to the owner', async () => {
    const { realm } = await refusedBy(() => Promise.reject(new Error('no template')))
    expect(realm.log.lines.at(-1)).toMatchObject({ level: 'error', fields: { hook: 'onRefused' } })
  })

  it('may take its time where it gives a promise, and may stream', async () => {
    const { request, response } = await refusedBy(async (_refused, _req, res) => {
      await new Promise(resolve => setImmediate(resolve))
      Readable.from(['not ', 'you']).pipe(res)
    })
    expect(response.body.toString()).toBe('not you')
    expectTold(response, request, 'not_authorized')
  })

  it('that writes too late, having given no promise, changes nothing', async () => {
    const late: unknown[] = []
    const { request, response, realm } = await refusedBy((_refused, _req, res) => {
      setImmediate(() => late.push(res.setHeader('x-late', '1').end('late')))
    })
    expectRefused(response, request, 'not_authorized', '06')
    await until(() => late.length === 1)
    expectRefused(await realm.send(request), request, 'replay', '06')
  })

  it('answers a request without credentials too, and keeps the connection', async () => {
    const realm = await startRefusing(({ code }, _req, res) => void res.end(`no ticket: ${code}`))
    const connection = realm.connect()
    const plain = formatRequest({ method: 'GET', target: '/', headers: [] })
    for (const _ of [1, 2]) {
      const response = await connection.write(plain, 'GET').response()
      expect([response.status, response.body.toString()]).toEqual([401, 'no ticket: undefined'])
      expect(headerOf(response, 'www-authenticate')).toBe('Orthrus realm="demo.example"')
    }
  })

  it('answers what an inner gate refuses, without what was written before it', async () => {
    const realm = await startRealm({
      listener:
        ({ service }) =>
        (req, res) => {
          const onRefused: OnRefused = (_refused, _req, response) => void response.end('writers only')
          requireTicket({ service })(req, res, () => {
            res.setHeader('x-before', '1')
            res.write('half an answer')
            requireTicket({ service, claims: { role: 'writer' }, onRefused })(req, res, () =>
              expect.unreachable('it was let through'),
            )
          })
        },
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expect([response.status, response.body.toString()]).toEqual([403, 'writers only'])
    expect(headerOf(response, 'x-before')).toBeUndefined()
    expectTold(response, request, 'not_authorized')
  })

  it('does not write into an answer that a handler began before its ticket was revoked', async () => {
    const clock = new TestClock()
    const { feed, kdc } = new FeedSetting({}, undefined, clock)
    const told: unknown[] = []
    let begun: ServerResponse | undefined
    const realm = await startRealm({
      testClock: clock,
      feed,
      handler: (_req, res) => {
        begun = res
        res.write('half an answer')
      },
      onRefused: ({ code }, _req, res) => {
        told.push(code)
        res.end('written')
      },
    })
    await clock.elapse(0)
    const ticket = realm.ticket()
    const request = realm.sign({}, { ticket })
    const sending = realm.send(request)
    await until(() => realm.handled.length === 1)
    kdc.revoke({ kind: 'ticket', by: new Uint8Array(Buffer.from(ticket.ticketId, 'hex')) })
    expectRefused(await sending, request, 'revoked', '06')
    expect(told).toEqual(['revoked'])
    // What the handler still does must not fail, since nobody may be there to catch it.
    begun?.setHeader('x-late', '1').appendHeader('x-late', '2').removeHeader('x-late')
    begun?.writeHead(200).end('late')
    expect(begun).toBeDefined()
  })
})

describe('passRefusals', () => {
  type Next = (error?: unknown) => void

  /** Express in small: an error goes past the handler to what handles errors. */
  const startPassing = (
    handleError: (error: unknown, req: IncomingMessage, res: ServerResponse) => void,
    more = {},
  ) =>
    startRealm({
      listener:
        ({ service }) =>
        (req, res) => {
          const next: Next = error => {
            if (error === undefined) res.end(`hello ${ticketOf(req).client}`)
            else handleError(error, req, res)
          }
          requireTicket({ service, passRefusals: true, ...more })(req, res, next)
        },
    })

  it('hands a RequestRefused to next, whose answer has the headers of the protocol', async () => {
    const realm = await startPassing(
      (error, _req, res) => {
        if (!(error instanceof RequestRefused)) return expect.unreachable()
        for (const name of res.getHeaderNames()) res.removeHeader(name)
        res.writeHead(error.status, { 'content-type': 'text/html' }).end(`<p>${error.message}`)
      },
      { claims: { role: 'writer' } },
    )
    const request = realm.sign()
    const response = await realm.send(request)
    expect([response.status, response.body.toString()]).toEqual([
      403,
      '<p>the request was refused: not_authorized',
    ])
    expectTold(response, request, 'not_authorized')
    const plain = await realm.send({ method: 'GET', target: '/', headers: [] })
    expect([plain.status, plain.body.toString()]).toEqual([401, '<p>authentication required'])
    expect(headerOf(plain, 'www-authenticate')).toBe('Orthrus realm="demo.example"')
  })

  it('changes nothing for a request that passes', async () => {
    const realm = await startPassing(() => expect.unreachable('it was refused'))
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
  })

  it('asks onRefused first, and passes on what it did not answer', async () => {
    const order: string[] = []
    const realm = await startPassing(
      (_error, _req, res) => {
        order.push('handler')
        res.end('by the handler')
      },
      {
        claims: { role: 'writer' },
        onRefused: (_refused: unknown, req: IncomingMessage, res: ServerResponse) => {
          order.push('onRefused')
          if (req.method === 'PUT') res.end('by onRefused')
        },
      },
    )
    expect((await realm.send(realm.sign())).body.toString()).toBe('by the handler')
    expect((await realm.send(realm.sign({ method: 'PUT' }))).body.toString()).toBe('by onRefused')
    expect(order).toEqual(['onRefused', 'handler', 'onRefused'])
  })

  it('lets nobody make a request pass whose refusal was ignored: its answer does not look like success', async () => {
    const realm = await startPassing(
      (_error, req, res) => {
        expect(() => ticketOf(req)).toThrow(TypeError)
        res.writeHead(200).end('what the handler says to anybody')
      },
      { claims: { role: 'writer' } },
    )
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.status).toBe(403)
    expectTold(response, request, 'not_authorized')
  })

  it('refuses again at the next gate of the service, as what was refused is a replay', async () => {
    const realm = await startRealm({
      listener:
        ({ service }) =>
        (req, res) => {
          const inner = requireTicket({ service })
          requireTicket({ service, passRefusals: true, claims: { role: 'writer' } })(req, res, () =>
            inner(req, res, () => expect.unreachable('it was let through')),
          )
        },
    })
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'replay', '06')
  })

  it('is refused with a handler, which has no next, and as anything but a boolean', async () => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service, passRefusals: true }, () => {})).toThrow(
      'passRefusals is for middleware',
    )
    expect(() => requireTicket({ service, passRefusals: 'yes' as never })).toThrow(
      'passRefusals is true or false',
    )
  })
})
