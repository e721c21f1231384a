import { describe, expect, it } from 'vitest'
import {
  type FetchHandler,
  type RequireTicketOptions,
  requireTicket,
  ticketOf,
} from '../../../service/fetch-handler.js'
import { TestClock } from '../../support/clock.js'
import { turns } from '../../support/turns.js'
import type { RawRequest } from '../connection.js'
import { FeedSetting } from '../feed/setting.js'
import { expectProved, expectRefused, type PresentOptions, type SignedRequest, WEB } from '../realm.js'
import { BODY, endless, never, ORIGIN, received, requestOf, start, streaming, streamOf } from './setting.js'

/** The handler with plain objects of the platform: what a `Request` does not show, and how a response ends. */

describe('what a Request does not show', () => {
  it('is a doubled Authorization: joined, it is none', async () => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign()
    const other = realm.sign().headers
    for (const headers of [
      [...signed.headers, ...other],
      [...signed.headers, ['authorization', 'Basic eDp5'] as const],
      [['authorization', 'x'] as const, ...signed.headers],
    ]) {
      expect((await guarded(requestOf({ ...signed, headers }))).status).toBe(401)
    }
    expect(seen).toEqual([])
  })

  it.each([
    ['content-type', 'a/b', 'c/d'],
    ['content-type', 'a/b', 'a/b'],
    ['range', 'bytes=0-1', 'bytes=2-3'],
    ['if-none-match', '"a"', '"b"'],
    ['orthrus-credential', 'AAAA', 'BBBB'],
  ])('is a doubled %s: joined, it is another value', async (name, first, second) => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign({ method: 'POST', headers: [[name, first]], body: BODY })
    const doubled = { ...signed, headers: [...signed.headers, [name, second] as const] }
    expectRefused(await received(await guarded(requestOf(doubled))), signed, 'binding_mismatch', '06')
    expect(seen).toEqual([])
  })

  it('is a value that came in two lines: the handler sees the one that was bound', async () => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign({ headers: [['if-none-match', '"a", "b"']] })
    const rest = signed.headers.filter(([name]) => name !== 'if-none-match')
    const headers = [['if-none-match', '"a"'] as const, ['if-none-match', '"b"'] as const, ...rest]
    expectProved(await received(await guarded(requestOf({ ...signed, headers }))), signed)
    expect(seen[0]?.headers.get('if-none-match')).toBe('"a", "b"')
  })

  it.each([
    ['a, b', ['a', 'b']],
    [', a', ['', 'a']],
    ['a,', ['a', '']],
  ])(
    'is that the further header %j came in two lines: but for white space around it, it is as bound',
    async (value, lines) => {
      const { realm, guarded, seen } = await start({ requireCovered: ['x-tenant'] })
      const list = ['orthrus-covered', 'x-tenant'] as const
      const signed = realm.sign({ headers: [list, ['x-tenant', value]] })
      const rest = signed.headers.filter(([name]) => name !== 'x-tenant')
      const headers = [...rest, ...lines.map(line => ['x-tenant', line] as const)]
      const response = await received(await guarded(requestOf({ ...signed, headers })))
      expect(seen.map(request => request.headers.get('x-tenant')?.trim())).toEqual([value])
      expectProved(response, signed)
    },
  )

  it.each([
    ['twice the value', 'a', ['a', 'a']],
    ['the value and an empty line', 'a', ['a', '']],
    ['parts in another order', 'a, b', ['b', 'a']],
    ['parts without a space', 'a,b', ['a', 'b']],
  ])('is that a further header came as %s: it is another value', async (_, value, lines) => {
    const { realm, guarded, seen } = await start()
    const list = ['orthrus-covered', 'x-tenant'] as const
    const signed = realm.sign({ headers: [list, ['x-tenant', value]] })
    const rest = signed.headers.filter(([name]) => name !== 'x-tenant')
    const headers = [...rest, ...lines.map(line => ['x-tenant', line] as const)]
    const response = await received(await guarded(requestOf({ ...signed, headers })))
    expectRefused(response, signed, 'binding_mismatch', '06')
    expect(seen).toEqual([])
  })

  it.each([
    ['an empty covered header', [['range', '']]],
    ['a header that overrides the method', [['X-HTTP-Method-Override', 'DELETE']]],
    ['a header that overrides the URL', [['x-original-url', '/admin']]],
  ] as const)('is not %s', async (_, more) => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign()
    const response = await guarded(requestOf({ ...signed, headers: [...signed.headers, ...more] }))
    expectRefused(await received(response), signed, 'malformed', '05')
    expect(seen).toEqual([])
  })

  it.each(['/admin/../orders/7', '/orders/./7', '/admin/%2e%2e/orders/7', '/orders\\7', '/orders/\u00e9'])(
    'is how %s stood on the request line, so that it is not what was bound',
    async target => {
      const { realm, guarded, seen } = await start()
      const signed = realm.sign({ target })
      const response = await guarded(requestOf({ ...signed, target }))
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(response.headers.has('authentication-info')).toBe(false)
      expect(seen).toEqual([])
    },
  )

  it('is a fragment that was added', async () => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign()
    const request = requestOf({ ...signed, target: '/orders/7#x' })
    expectRefused(await received(await guarded(request)), signed, 'binding_mismatch', '06')
    expect(seen).toEqual([])
  })

  it.each([
    ['/admin/../orders/7', '/admin/../orders/7'],
    ['/admin/../orders/7', '/orders/7'],
    ['/admin/%2E%2e/orders/7', '/orders/7'],
    ['\\admin/orders/7', '/orders/7'],
    ['/orders/7\t', '/orders/7'],
  ])('and a server that hands on %s as it came is refused where %s was bound', async (url, target) => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign({ target })
    const request = requestOf(signed)
    Object.defineProperty(request, 'url', { value: ORIGIN + url })
    expectRefused(await received(await guarded(request)), signed, 'malformed', '05')
    expect(seen).toEqual([])
  })

  it.each([
    ['content-length', '5'],
    ['transfer-encoding', 'chunked'],
  ])('is the body of a GET, of which only %s is left', async (name, value) => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign()
    const response = await guarded(requestOf({ ...signed, headers: [...signed.headers, [name, value]] }))
    expectRefused(await received(response), signed, 'malformed', '05')
    expect(seen).toEqual([])
  })
})

describe('the request that a handler is given', () => {
  it('is the one that came where it has no body', async () => {
    const { realm, guarded, seen } = await start()
    const request = requestOf(realm.sign())
    await guarded(request)
    expect(seen).toEqual([request])
  })

  it('has the verified body unread, with method, URL, headers and signal', async () => {
    const aborter = new AbortController()
    let value: unknown
    const { realm, guarded, seen } = await start({
      handler: async request => {
        value = await request.json()
        return new Response(null, { status: 204 })
      },
    })
    const body = Buffer.from('{"sku":1}')
    const headers = [
      ['content-type', 'application/json'],
      ['x-other', 'a'],
    ] as const
    const signed = realm.sign({ method: 'PUT', target: '/orders/7?x=1', headers, body })
    expectProved(await received(await guarded(requestOf(signed, { signal: aborter.signal }))), signed)
    const [given] = seen
    expect(value).toEqual({ sku: 1 })
    expect([given?.method, given?.url]).toEqual(['PUT', `${ORIGIN}/orders/7?x=1`])
    expect([given?.headers.get('content-type'), given?.headers.get('x-other')]).toEqual([
      'application/json',
      'a',
    ])
    aborter.abort()
    expect(given?.signal.aborted).toBe(true)
  })

  it('has the parts of a form', async () => {
    let name: unknown
    const { realm, guarded } = await start({
      handler: async request => {
        name = (await request.formData()).get('name')
        return new Response()
      },
    })
    const body = Buffer.from('--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nann\r\n--x--\r\n')
    const headers = [['content-type', 'multipart/form-data; boundary=x']] as const
    const signed = realm.sign({ method: 'POST', headers, body })
    expectProved(await received(await guarded(requestOf(signed))), signed)
    expect(name).toBe('ann')
  })

  it('has a ticket, and others have none', async () => {
    const { realm, guarded, seen } = await start({
      handler: (request, ticket) => {
        expect(ticketOf(request)).toBe(ticket)
        return new Response(ticket.client)
      },
    })
    const signed = realm.sign({ method: 'POST', body: BODY })
    const request = requestOf(signed)
    expect(() => ticketOf(request)).toThrow(/requireTicket has not let this request through/)
    expect((await received(await guarded(request))).body.toString()).toBe(WEB)
    expect(ticketOf(request)).toBe(ticketOf(seen[0] as Request))
    expect(() => ticketOf(new Request(request.url))).toThrow(TypeError)
    for (const other of [undefined, null, 'x', {}, { req: { raw: request } }]) {
      expect(() => ticketOf(other as never)).toThrow(/takes a Request: with Hono, ticketOf\(c\.req\.raw\)/)
    }
  })

  it('is handled once, also where the same object comes again', async () => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign()
    const request = requestOf(signed)
    expectProved(await received(await guarded(request)), signed)
    expectRefused(await received(await guarded(request)), signed, 'replay', '06')
    expect(seen.length).toBe(1)
  })

  it('is passed on with whatever else the framework gives', async () => {
    const { realm, service } = await start()
    const POST = requireTicket(
      { service },
      async (_request, ticket, context: { params: Promise<{ id: string }> }) => {
        const { id } = await context.params
        return Response.json({ id, client: ticket.client })
      },
    )
    const signed = realm.sign()
    const response = await received(await POST(requestOf(signed), { params: Promise.resolve({ id: '7' }) }))
    expectProved(response, signed)
    expect(JSON.parse(response.body.toString())).toEqual({ id: '7', client: WEB })
  })
})

describe('the body of a request', () => {
  it('is read no further than its limit, and its server is left the rest', async () => {
    const { realm, guarded, seen } = await start({ maxBody: 10_000 })
    const { stream, told } = streamOf(endless(1_000))
    const signed = realm.sign({ method: 'POST', body: BODY })
    const response = await guarded(requestOf(signed, streaming(stream)))
    expectRefused(await received(response), signed, 'too_large', '06')
    expect(told).toEqual({ pulled: 11, cancelled: false })
    expect(seen).toEqual([])
  })

  it('is not read at all where it says that it is too large, nor before the ticket is looked at', async () => {
    const { realm, guarded } = await start({ maxBody: 10 })
    const { stream, told } = streamOf(endless(1))
    const signed = realm.sign({ method: 'POST', body: BODY })
    const announced = { ...signed, headers: [...signed.headers, ['content-length', '11'] as const] }
    const response = await guarded(requestOf(announced, streaming(stream)))
    expectRefused(await received(response), signed, 'too_large', '06')
    const challenged = await guarded(requestOf({ ...signed, headers: [] }, streaming(streamOf([]).stream)))
    expect([challenged.status, told.pulled]).toEqual([401, 0])
  })

  it('has its 60 s', async () => {
    const { realm, guarded, clock, seen } = await start()
    const signed = realm.sign({ method: 'POST', body: BODY })
    const { stream } = streamOf((async function* () { yield BODY; await never() })()) // biome-ignore format: short
    const response = guarded(requestOf(signed, streaming(stream)))
    await turns()
    clock.advance(60_001)
    expectRefused(await received(await response), signed, 'binding_mismatch', '06')
    expect(seen).toEqual([])
  })

  it('whose client goes away is no refusal', async () => {
    const { realm, guarded } = await start()
    const aborter = new AbortController()
    const broken = new ReadableStream(
      { pull: () => Promise.reject(new Error('reset')) },
      { highWaterMark: 0 },
    )
    for (const stream of [
      streamOf(
        (async function* () {
          yield await never()
        })(),
      ).stream,
      broken,
    ]) {
      // biome-ignore format: short
      const signed = realm.sign({ method: 'POST', body: BODY })
      const response = guarded(requestOf(signed, { ...streaming(stream), signal: aborter.signal }))
      await turns()
      if (stream !== broken) aborter.abort()
      expect((await response).status).toBe(499)
      expect(realm.log.lines.at(-1)?.fields).toMatchObject({ kind: 'aborted' })
    }
    expect(realm.refused).toEqual([])
  })

  it.each([
    ['read', async (request: Request) => void (await request.text())],
    ['being read', (request: Request) => void request.body?.getReader()],
  ])('that was %s before is not verified, and the owner is told', async (_, before) => {
    const { realm, guarded, seen } = await start()
    const signed = realm.sign({ method: 'POST', body: BODY })
    const request = requestOf(signed)
    await before(request)
    expectRefused(await received(await guarded(request)), signed, 'unavailable', '05')
    expect(String(realm.log.lines.at(-1)?.fields.err)).toMatch(
      /the body was read before requireTicket saw it/,
    )
    expect(seen).toEqual([])
  })

  it('that is no stream of bytes is not verified', async () => {
    const { realm, guarded } = await start()
    const signed = realm.sign({ method: 'POST', body: BODY })
    const { stream } = streamOf(['pay 1'] as never)
    expectRefused(
      await received(await guarded(requestOf(signed, streaming(stream)))),
      signed,
      'unavailable',
      '05',
    )
  })
})

describe('a client that had gone before its request was looked at', () => {
  it.each([
    ['without a body', 'GET', {}],
    ['with a body', 'POST', streaming(new ReadableStream())],
  ] as const)('is not waited for: %s', async (_, method, more) => {
    const { realm, guarded } = await start({ handler: never })
    const request = requestOf(realm.sign({ method }), { ...more, signal: AbortSignal.abort() })
    expect((await guarded(request)).status).toBe(499)
    expect(realm.refused).toEqual([])
  })
})

describe('a response', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['nothing', () => undefined, /it returned no Response/],
    ['a text', () => 'hello', /it returned no Response/],
    ['an error of the platform', () => Response.error(), /the status is 0/],
    [
      'a length that is not its own',
      () => new Response('x', { headers: { 'content-length': '2' } }),
      /content-length is 2/,
    ],
    ['trailers', () => new Response('x', { headers: { trailer: 'x' } }), /trailers/],
    ['an empty type', () => new Response('x', { headers: { 'content-type': '' } }), /content-type is empty/],
    ['a stream of texts', () => new Response(streamOf(['x'] as never).stream), /it threw/],
  ])('with %s becomes a proved 500, and the owner is told', async (_, answer, reason) => {
    const { realm, guarded } = await start({ handler: (async () => answer()) as never })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expect([response.status, response.body.toString()]).toEqual([500, 'internal error\n'])
    expectProved(response, signed)
    expect(realm.log.lines.at(-1)?.fields).toMatchObject({ kind: 'response_failed', client: WEB })
    expect(realm.log.lines.at(-1)?.fields.reason).toMatch(reason)
  })

  it('whose body was read before becomes a proved 500', async () => {
    const { realm, guarded } = await start({
      handler: async () => {
        const response = new Response('x')
        await response.text()
        return response
      },
    })
    const signed = realm.sign()
    expectProved(await received(await guarded(requestOf(signed))), signed)
    expect(realm.log.lines.at(-1)?.fields.reason).toBe('the body of its response was read before')
  })

  it.each<[string, FetchHandler<[]>]>([
    ['an exception', () => { throw new Error('no database') }], // biome-ignore format: short
    ['an empty one', () => new Response('x', { headers: { etag: '' } })],
  ])('covers further headers in a 500 for %s too', async (_, handler) => {
    const { realm, guarded } = await start({ coverResponseHeaders: ['etag'], handler })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expectProved(response, signed)
    const headers = new Map(response.headers)
    expect([response.status, headers.get('orthrus-covered'), headers.get('etag')]).toEqual([
      500,
      'etag',
      undefined,
    ])
  })

  it('to what a handler throws says nothing of it', async () => {
    const fault = new Error('no database')
    for (const handler of [
      () => {
        throw fault
      },
      () => Promise.reject(fault),
    ]) {
      // biome-ignore format: short
      const { realm, guarded } = await start({ handler })
      const signed = realm.sign({ method: 'POST', body: BODY })
      const response = await received(await guarded(requestOf(signed)))
      expect([response.status, response.body.toString()]).toEqual([500, 'internal error\n'])
      expectProved(response, signed)
      expect(realm.log.lines.at(-1)?.fields).toMatchObject({
        kind: 'response_failed',
        reason: 'it threw',
        err: fault,
      })
    }
  })

  it('is collected no further than its limit, and its stream is cancelled', async () => {
    const { stream, told } = streamOf(endless(1_000))
    const { realm, guarded } = await start({ maxResponse: 10_000, handler: () => new Response(stream) })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expect(response.status).toBe(500)
    expectProved(response, signed)
    expect(told).toEqual({ pulled: 11, cancelled: true })
  })

  it('to HEAD is not collected', async () => {
    const { stream, told } = streamOf(endless(1_000))
    const { realm, guarded } = await start({
      handler: () => new Response(stream, { headers: { 'content-length': '9' } }),
    })
    const signed = realm.sign({ method: 'HEAD' })
    const response = await received(await guarded(requestOf(signed)))
    expect([response.status, response.body.length]).toEqual([200, 0])
    expectProved(response, signed)
    expect(told).toEqual({ pulled: 0, cancelled: true })
  })

  it('has a type that no server puts in its place, and its own headers', async () => {
    const { realm, guarded } = await start({
      handler: () =>
        new Response(new Uint8Array(3), {
          status: 201,
          statusText: 'Made',
          headers: { 'authentication-info': 'x', 'x-own': 'y' },
        }),
    })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expectProved(response, signed)
    expect([response.status, response.message]).toEqual([201, 'Made'])
    const headers = new Map(response.headers)
    expect([headers.get('content-type'), headers.get('x-own'), headers.get('content-length')]).toEqual([
      'application/octet-stream',
      'y',
      '3',
    ])
  })

  it.each([
    [
      'a transfer-encoding',
      'transfer-encoding',
      () => new Response('x', { headers: { 'transfer-encoding': 'chunked' } }),
    ],
    [
      'the length of a 204',
      'content-length',
      () => new Response(null, { status: 204, headers: { 'content-length': '0' } }),
    ],
  ] as const)('is not sent with %s, which contradicts how it is sent', async (_, name, answer) => {
    const { realm, guarded } = await start({ handler: answer })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expectProved(response, signed)
    expect(response.headers.map(header => header[0])).not.toContain(name)
  })

  it('with content-encoding is proved, and the owner is told that clients refuse it', async () => {
    const { realm, guarded } = await start({
      handler: () => new Response('x', { headers: { 'content-encoding': 'gzip' } }),
    })
    const signed = realm.sign()
    expectProved(await received(await guarded(requestOf(signed))), signed)
    expect(realm.log.lines.at(-1)?.fields).toMatchObject({ kind: 'response_encoded' })
  })

  it('whose client went away is stopped', async () => {
    const aborter = new AbortController()
    const { stream, told } = streamOf((async function* () { yield BODY; await never() })()) // biome-ignore format: short
    const { realm, guarded } = await start({ handler: () => new Response(stream) })
    const response = guarded(requestOf(realm.sign(), { signal: aborter.signal }))
    await turns()
    aborter.abort()
    expect((await response).status).toBe(499)
    await turns()
    expect(told.cancelled).toBe(true)
    expect(realm.log.lines.map(({ fields }) => fields.kind)).toEqual(['accepted'])
  })
})

describe('what is revoked while a handler runs', () => {
  async function revoked(
    handler: FetchHandler<[]>,
    request: Partial<RawRequest> = {},
    present?: PresentOptions,
  ) {
    const testClock = new TestClock()
    const { feed, kdc } = new FeedSetting({}, undefined, testClock)
    const setting = await start({ testClock, feed, handler })
    await testClock.elapse(0)
    const ticket = setting.realm.ticket()
    const signed = setting.realm.sign(request, { ticket, ...present })
    const response = setting.guarded(requestOf(signed))
    await turns()
    const by = Uint8Array.from(ticket.ticketId.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
    kdc.revoke({ kind: 'ticket', by })
    await turns()
    return { ...setting, signed, response }
  }

  it.each([
    ['GET', 'revoked'],
    ['POST', 'unavailable'],
  ] as const)('refuses a %s as %s, aborts the signal and drops the answer', async (method, code) => {
    let release = (): void => {}
    let reason: unknown
    const { stream, told } = streamOf(endless(1))
    const { realm, signed, response } = await revoked(
      async (_request, ticket) => {
        ticket.signal.addEventListener('abort', () => {
          reason = ticket.signal.reason
        })
        await new Promise<void>(resolve => {
          release = resolve
        })
        return new Response(stream)
      },
      { method },
    )
    expectRefused(await received(await response), signed, code, '06')
    expect(reason).toMatchObject({ code: 'revoked' })
    expect(realm.refused).toMatchObject([{ code, presenter: WEB }])
    release()
    await turns()
    expect(told.cancelled).toBe(true)
    expect(realm.log.lines.map(({ fields }) => fields.kind)).not.toContain('response_failed')
  })

  it('stops a response that is being collected', async () => {
    const { stream, told } = streamOf((async function* () { yield BODY; await never() })()) // biome-ignore format: short
    const { signed, response } = await revoked(() => new Response(stream))
    expectRefused(await received(await response), signed, 'revoked', '06')
    await turns()
    expect(told.cancelled).toBe(true)
  })

  it('leaves an answer that was given, and forgets the request', async () => {
    const { signed, response, realm } = await revoked(() => new Response('hello'))
    expectProved(await received(await response), signed)
    expect(realm.refused).toEqual([])
  })
})

describe('a gate within a gate', () => {
  async function nested(inner: Partial<RequireTicketOptions>, wrap = (response: Response) => response) {
    const { realm, service } = await start()
    const run: Request[] = []
    const within = requireTicket({ service, ...inner }, request => {
      run.push(request)
      return new Response('hello')
    })
    const guarded = requireTicket({ service }, async request => wrap(await within(request)))
    return { realm, guarded, run }
  }

  it('takes the request for no replay, and its answer is proved once', async () => {
    const { realm, guarded, run } = await nested({ claims: { role: 'reader' } })
    const signed = realm.sign({ method: 'POST', body: BODY })
    expectProved(await received(await guarded(requestOf(signed))), signed)
    expect(run.length).toBe(1)
  })

  it('has further headers of the answer covered with those of the other', async () => {
    const { realm, guarded } = await nested({ coverResponseHeaders: ['ETag', 'x-next'] }, () => answer)
    const answer = new Response('hello', { headers: { etag: '"1"', 'orthrus-covered': 'x-other' } })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expectProved(response, signed)
    expect(new Map(response.headers).get('orthrus-covered')).toBe('etag, x-next')
  })

  it('that covers more than there may be is an error, and the request is not handled', async () => {
    const names = Array.from({ length: 32 }, (_, i) => `x-${i}`)
    const { realm, service } = await start()
    const within = requireTicket({ service, coverResponseHeaders: ['etag'] }, () => new Response('hello'))
    const guarded = requireTicket({ service, coverResponseHeaders: names }, request => within(request))
    const signed = realm.sign()
    expectRefused(await received(await guarded(requestOf(signed))), signed, 'unavailable', '05')
    expect(String(realm.log.lines.at(-1)?.fields.err)).toMatch(/of all gates together has at most 32/)
  })

  it('requires what it requires to be covered', async () => {
    const { realm, guarded, run } = await nested({ requireCovered: ['x-tenant'] })
    const signed = realm.sign()
    expectRefused(await received(await guarded(requestOf(signed))), signed, 'binding_mismatch', '06')
    expect(run).toEqual([])
  })

  it('refuses with its own requirements, whatever is made of its answer', async () => {
    const rewrite = (): Response => new Response('all is well')
    for (const wrap of [
      undefined,
      rewrite,
      () => {
        throw new Error('no')
      },
    ]) {
      // biome-ignore format: short
      const { realm, guarded, run } = await nested({ claims: { role: 'writer' } }, wrap as never)
      const signed: SignedRequest = realm.sign()
      expectRefused(await received(await guarded(requestOf(signed))), signed, 'not_authorized', '06')
      expect(run).toEqual([])
    }
  })
})

describe('what is no handler of this kind', () => {
  it('is told what to do instead', async () => {
    const { service } = await start()
    expect(() => requireTicket({ service }, 'x' as never)).toThrow(/a handler is a function/)
    expect(() => requireTicket({ service, optoin: 1 } as never)).toThrow(
      /requireTicket has no option "optoin"/,
    )
    const guarded = requireTicket({ service }, () => new Response())
    for (const other of [undefined, null, {}, { url: '/', method: 'GET', headers: {} }, 'http://localhost']) {
      expect(() => guarded(other as never)).toThrow(/takes a web-standard Request; orthrus\/service/)
    }
    // As Connect calls it, which hands what is thrown to its error handlers, but nothing that is rejected.
    const middleware = requireTicket({ service }) as (...args: unknown[]) => unknown
    expect(() => middleware({ url: '/', method: 'GET', headers: {} }, {}, () => {})).toThrow(
      /Express and Connect/,
    )
  })

  it('is a checker or a hook that throws: the request is refused, and the owner is told', async () => {
    const asked: Request[] = []
    const { realm, guarded } = await start({
      caveats: { tenant: (_value, request) => { asked.push(request); throw new Error('broken') } }, // biome-ignore format: short
      onRefused: () => {
        throw new Error('broken too')
      },
    })
    const signed = realm.sign({}, { caveats: [{ name: 'app', app: 'tenant', value: 1 }] })
    const request = requestOf(signed)
    expectRefused(await received(await guarded(request)), signed, 'caveat_failed', '06')
    expect(asked).toEqual([request])
    const hooks = realm.log.lines.filter(({ fields }) => fields.kind === 'hook_failed')
    expect(hooks.map(({ fields }) => fields.hook)).toEqual(['caveats.tenant', 'onRefused'])
  })
})
