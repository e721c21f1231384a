import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type FetchHandler,
  type RequireTicketOptions,
  requireTicket,
  ticketOf,
} from '../../../service/fetch-handler.js'
import { failureOf } from '../../support/failure.js'
import { turns, until } from '../../support/turns.js'
import { Gauge, MIB } from './gauge.js'
import { piecesOf, type RunningServer, type Setting, serve, startSetting, writable } from './setting.js'

/** Sealed bodies of web-standard requests and responses: in Hono, and in handlers that something calls with a Request. */

let setting: Setting & { end(): Promise<void> }
const platform = { Request: globalThis.Request, Response: globalThis.Response }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(async () => {
  Object.assign(globalThis, platform)
  await setting.end()
})

const MINUTE = 60_000
const broken = expect.objectContaining({ code: 'channel_broken' })
const options = (more: object = {}) => ({ service: 'orders', sealed: true, ...more })
const sending = (body: BodyInit) => options({ method: 'POST', body })
const kinds = () => setting.log.lines.map(({ fields }) => fields.kind)
const failures = () => setting.log.lines.filter(({ fields }) => fields.kind === 'response_failed')

type Kind = 'Hono' | 'a handler'
type Answer = FetchHandler<[]>
type Required = RequireTicketOptions & { readonly permitWithoutTicket?: false }

function listenerOf(kind: Kind, answer: Answer, required: Required): RequestListener {
  if (kind === 'a handler') {
    return getRequestListener(requireTicket<[]>(required, answer), { overrideGlobalObjects: false })
  }
  const app = new Hono()
  app.use(requireTicket(required))
  app.all('*', c => answer(c.req.raw, ticketOf(c.req.raw)))
  return getRequestListener(app.fetch)
}

const start = (answer: Answer, more: Partial<Required> = {}, kind: Kind = 'a handler') =>
  serve(listenerOf(kind, answer, { service: setting.service, ...more })) as Promise<RunningServer>

/** Reads a body, and says what it read and met. */
function reader() {
  const met: { pieces: string[]; cause: unknown } = { pieces: [], cause: undefined }
  const handler: Answer = async request => {
    const pieces = piecesOf(request)
    try {
      for (let piece = await pieces.next(); piece !== undefined; piece = await pieces.next()) {
        met.pieces.push(piece)
      }
    } catch (cause) {
      met.cause = cause
      throw cause
    }
    return new Response('done')
  }
  return { met, handler }
}

/** What a network makes of the pieces of a body: each is a frame, but for the salt that comes first. */
type Change = (pieces: Uint8Array[]) => Uint8Array[]

function fetchThrough(change: Change): typeof fetch {
  return async (url, init = {}) => {
    if (!(init.body instanceof ReadableStream)) return fetch(url, init)
    const pieces: Uint8Array[] = []
    for await (const piece of init.body as unknown as AsyncIterable<Uint8Array>) pieces.push(piece)
    return fetch(url, { ...init, body: new Blob(change(pieces) as BlobPart[]).stream() })
  }
}

describe.each<Kind>(['Hono', 'a handler'])('a sealed request to %s', kind => {
  it('streams: each piece reaches the handler before the next is written', async () => {
    const { met, handler } = reader()
    const { url } = await start(handler, {}, kind)
    const body = writable()
    const response = setting.web.fetch(url, sending(body.stream))
    for (const piece of ['one', 'two', 'three']) {
      const count = met.pieces.length
      body.write(piece)
      await until(() => met.pieces.length > count)
    }
    body.close()
    expect([await (await response).text(), met.pieces]).toEqual(['done', ['one', 'two', 'three']])
  })

  it('looks like any other to its handler, and is answered before it is read', async () => {
    const seen: (string | null)[] = []
    const { url } = await start(
      request => {
        seen.push(
          ...['content-encoding', 'content-length', 'content-type'].map(name => request.headers.get(name)),
        )
        return new Response('thanks')
      },
      {},
      kind,
    )
    const headers = { 'content-type': 'text/csv' }
    const response = await setting.web.fetch(url, { ...sending('a,b'), headers })
    expect([await response.text(), seen]).toEqual(['thanks', [null, null, 'text/csv']])
  })

  it('is sent back as it comes', async () => {
    const { url } = await start(request => new Response(request.body), {}, kind)
    const body = writable()
    body.write('one')
    const pieces = piecesOf(await setting.web.fetch(url, sending(body.stream)))
    expect(await pieces.next()).toBe('one')
    body.write('two')
    expect(await pieces.next()).toBe('two')
    body.close()
    expect(await pieces.next()).toBeUndefined()
  })
})

describe('a sealed request', () => {
  it.each<[string, Change, string[]]>([
    ['without its end', pieces => pieces.slice(0, -1), ['one', 'two']],
    ['without a piece', pieces => pieces.toSpliced(1, 1), []],
    ['in another order', ([salt, one, two, end]) => [salt, two, one, end] as Uint8Array[], []],
    ['with a piece twice', ([salt, one, ...rest]) => [salt, one, one, ...rest] as Uint8Array[], ['one']],
    [
      'with a changed piece',
      pieces => pieces.with(2, pieces[2]?.map(byte => byte ^ 1) as Uint8Array),
      ['one'],
    ],
    ['with more behind its end', pieces => [...pieces, new Uint8Array(9)], ['one', 'two']],
  ])(
    '%s breaks: what was read is genuine, the rest an error, and nothing is answered',
    async (_, change, read) => {
      const { met, handler } = reader()
      const { url } = await start(handler)
      const web = await setting.realm.connect('web', { fetch: fetchThrough(change) })
      const body = writable()
      for (const piece of ['one', 'two']) body.write(piece)
      body.close()
      expect(await failureOf(web.fetch(url, sending(body.stream)))).toMatchObject({
        code: expect.stringMatching(/^(?:unavailable|response_unproved)$/),
        final: false,
      })
      expect(met.cause).toEqual(broken)
      // What came in one piece of the stream with the fault may be dropped with it.
      expect(read.slice(0, met.pieces.length)).toEqual(met.pieces)
      expect(kinds()).toContain('body_broken')
    },
  )

  it('breaks if its client aborts, and is no failure of the handler', async () => {
    const { met, handler } = reader()
    const { url } = await start(handler)
    const body = writable()
    const aborter = new AbortController()
    body.write('first')
    const response = setting.web.fetch(url, { ...sending(body.stream), signal: aborter.signal })
    await until(() => met.pieces.length === 1)
    const before = [kinds().filter(kind => kind === 'aborted').length, failures().length] as const
    aborter.abort()
    await expect(response).rejects.toThrow('abort')
    await until(() => met.cause !== undefined)
    expect([kinds().filter(kind => kind === 'aborted').length, failures().length]).toEqual([
      before[0] + 1,
      before[1],
    ])
  })

  it('breaks after a minute in which its handler waited for more', async () => {
    const { met, handler } = reader()
    const { url } = await start(handler)
    const body = writable()
    body.write('first')
    const response = failureOf(setting.web.fetch(url, sending(body.stream)))
    await until(() => met.pieces.length === 1)
    await turns(20)
    setting.realm.clock.advance(MINUTE)
    await until(() => met.cause !== undefined)
    expect(met.cause).toMatchObject({ code: 'channel_broken', reason: expect.stringContaining('a minute') })
    await response
  })

  it('that is not there is refused', async () => {
    const { url } = await start(() => expect.unreachable('it was handled'))
    const web = await setting.realm.connect('web', {
      fetch: (at, { body: _, ...init } = {}) => fetch(at, init),
    })
    expect(await failureOf(web.fetch(url, sending('x')))).toMatchObject({ code: 'binding_mismatch' })
  })
})

describe.each<Kind>(['Hono', 'a handler'])('a sealed response of %s', kind => {
  it('streams: its head and each piece reach the client at once', async () => {
    const body = writable()
    const { url } = await start(() => new Response(body.stream, { headers: { etag: '"1"' } }), {}, kind)
    const response = await setting.web.fetch(url, options())
    const pieces = piecesOf(response)
    for (const piece of ['one', 'two']) {
      body.write(piece)
      expect(await pieces.next()).toBe(piece)
    }
    body.close()
    expect([await pieces.next(), response.headers.get('content-encoding')]).toEqual([undefined, null])
  })

  it('is collected for a client that does not say that it reads records', async () => {
    const { url } = await start(() => new Response(new Blob(['one, ', 'two']).stream()), {}, kind)
    const response = await setting.web.fetch(url, { service: 'orders' })
    expect([response.headers.get('content-length'), await response.text()]).toEqual(['8', 'one, two'])
  })

  it('ends at its handler if its reader goes away', async () => {
    const body = writable()
    const { url } = await start(() => new Response(body.stream), {}, kind)
    body.write('one')
    const pieces = piecesOf(await setting.web.fetch(url, options()))
    await pieces.next()
    const before = failures().length
    await pieces.cancel()
    await body.cancelled
    expect(failures().length).toBe(before)
  })

  it('is broken if what its handler passes on breaks', async () => {
    const body = writable()
    const { url } = await start(() => new Response(body.stream), {}, kind)
    body.write('one')
    const pieces = piecesOf(await setting.web.fetch(url, options()))
    expect(await pieces.next()).toBe('one')
    body.fail(new Error('the disk is gone'))
    await expect(pieces.next()).rejects.toEqual(broken)
    await until(() => String(failures().at(-1)?.fields.err).includes('the disk is gone'))
  })
})

describe('a sealed response', () => {
  it('may be events of Hono', async () => {
    const app = new Hono()
    app.use(requireTicket({ service: setting.service }))
    let more = (): void => {}
    app.get('/', c =>
      streamSSE(c, async events => {
        await events.writeSSE({ data: 'one' })
        await new Promise<void>(resolve => {
          more = resolve
        })
        await events.writeSSE({ data: 'two' })
      }),
    )
    const { url } = await serve(getRequestListener(app.fetch) as RequestListener)
    const response = await setting.web.fetch(url, options())
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const pieces = piecesOf(response)
    expect(await pieces.next()).toBe('data: one\n\n')
    more()
    expect([await pieces.next(), await pieces.next()]).toEqual(['data: two\n\n', undefined])
  })

  it.each([0, 1, 65_517, 65_518, 3_000_000])('has %i bytes', async length => {
    const { url } = await start(() => new Response(length === 0 ? null : new Uint8Array(length).fill(7)))
    const bytes = new Uint8Array(await (await setting.web.fetch(url, options())).arrayBuffer())
    expect([bytes.length, bytes.every(byte => byte === 7)]).toEqual([length, true])
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
    ['GET', 205],
  ])('to %s with %i has no body, and is not sealed', async (method, status) => {
    const { url } = await start(() => new Response(null, { status, headers: { etag: '"1"' } }))
    const response = await setting.web.fetch(url, options({ method }))
    expect([response.status, response.body, response.headers.get('etag')]).toEqual([status, null, '"1"'])
  })

  it('covers further headers, and is followed to where it redirects', async () => {
    const { url } = await start(
      request =>
        request.url.endsWith('/old')
          ? new Response('elsewhere', { status: 302, headers: { location: '/new' } })
          : new Response('here', { headers: { etag: '"1"' } }),
      { coverResponseHeaders: ['etag'] },
    )
    const response = await setting.web.fetch(`${url}/old`, options())
    expect([response.covered, await response.text()]).toEqual([['etag'], 'here'])
  })

  it.each<[string, Answer]>([
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['gives no Response', () => undefined as never],
    [
      'gives one with a content-encoding',
      () => new Response('a', { headers: { 'content-encoding': 'gzip' } }),
    ],
    ['gives one that announces trailers', () => new Response('a', { headers: { trailer: 'x-sum' } })],
    ['covers a header twice', () => new Response('a', { headers: { etag: '' } })],
  ])('of a handler that %s is a sealed 500', async (_, answer) => {
    const { url } = await start(answer, { coverResponseHeaders: ['etag'] })
    const response = await setting.web.fetch(url, options())
    expect([response.status, await response.text()]).toEqual([500, 'internal error\n'])
  })

  it('is broken if it is not as long as its handler said, or no bytes', async () => {
    for (const [body, headers] of [
      [new Blob(['abc']).stream(), { 'content-length': '4' }],
      [new ReadableStream({ pull: controller => controller.enqueue('abc') }), {}],
    ] as const) {
      const { url } = await start(() => new Response(body as ReadableStream, { headers }))
      const response = await setting.web.fetch(url, options())
      expect(await failureOf(response.text())).toEqual(broken)
    }
    const { url } = await start(() => new Response('abc', { headers: { 'content-length': '3' } }))
    expect(await (await setting.web.fetch(url, options())).text()).toBe('abc')
  })
})

describe('a stream and its tickets', () => {
  const LIFE = 2 * MINUTE

  async function streaming(more: Partial<Required>, name: string) {
    const { realm } = setting
    await realm.add(name)
    await realm.allow(name, 'orders', { maxLife: LIFE })
    const client = await realm.connect(name)
    const { met, handler } = reader()
    const signals: AbortSignal[] = []
    const answer = writable()
    const { url } = await start((request, ticket) => {
      signals.push(ticket.signal)
      return request.method === 'POST' ? handler(request, ticket) : new Response(answer.stream)
    }, more)
    const body = writable()
    body.write('first')
    const sent = client.fetch(url, sending(body.stream))
    await until(() => met.pieces.length === 1)
    const pieces = piecesOf(await client.fetch(url, options()))
    const reading = (async () => {
      while ((await pieces.next()) !== undefined);
    })()
    const speak = (): void => {
      if (met.cause === undefined) body.write('.')
      answer.write('.')
    }
    return { client, met, body, sent, reading, signals, speak, answer }
  }

  async function passSpeaking(milliseconds: number, speak: () => void, isOver = () => false): Promise<void> {
    for (let left = milliseconds; left > 0 && !isOver(); left -= MINUTE / 2) {
      speak()
      await turns(20)
      setting.realm.clock.advance(MINUTE / 2)
    }
  }

  it('ends with it in both directions', async () => {
    const { met, sent, reading, signals, speak, answer } = await streaming({}, 'brief')
    const both = [failureOf(sent), failureOf(reading)]
    await passSpeaking(LIFE, speak, () => met.cause !== undefined)
    const [first, second] = await Promise.all(both)
    expect(first).toMatchObject({ code: expect.stringMatching(/^(?:unavailable|response_unproved)$/) })
    expect(second).toEqual(broken)
    expect(met.cause).toMatchObject({ code: 'ticket_expired' })
    expect(signals.map(({ reason }) => reason?.code)).toEqual(['ticket_expired', 'ticket_expired'])
    expect(await answer.cancelled).toMatchObject({ code: 'ticket_expired' })
  })

  it('goes on if the owner of its handler lets it', async () => {
    const { met, body, sent, reading, signals, speak } = await streaming(
      { streamsOutliveTickets: true },
      'long',
    )
    reading.catch(() => {})
    await passSpeaking(LIFE + MINUTE, speak)
    expect([met.cause, signals.map(({ aborted }) => aborted)]).toEqual([undefined, [false, false]])
    body.close()
    expect(await (await sent).text()).toBe('done')
  })

  it('ends at once when it is revoked', async () => {
    const { realm } = setting
    const service = await realm.loadService('orders', { kdc: realm.kdc.url, startWithoutFeed: true })
    await until(() => service.state.feed?.connected === true)
    const { client, met, sent, reading, answer } = await streaming(
      { service, streamsOutliveTickets: true },
      'visitor',
    )
    const both = [failureOf(sent), failureOf(reading)]
    await realm.administration.revocations.client(client.client)
    const [first, second] = await Promise.all(both)
    expect(first).toMatchObject({ code: expect.stringMatching(/^(?:unavailable|response_unproved)$/) })
    expect(second).toEqual(broken)
    expect(met.cause).toMatchObject({ code: 'revoked' })
    expect(await answer.cancelled).toMatchObject({ code: 'revoked' })
    await service.close()
  })
})

describe('a slow reader slows its writer down', { timeout: 600_000 }, () => {
  const slow = process.env.ORTHRUS_SLOW === '1'
  const TOTAL = slow ? 1024 * MIB : 32 * MIB
  const KINDS: readonly Kind[] = slow ? ['Hono', 'a handler'] : ['a handler']
  const PIECE = new Uint8Array(256 * 1024).fill(7)

  const source = (gauge: Gauge) =>
    new ReadableStream<Uint8Array>(
      {
        pull: controller => {
          if (gauge.written === TOTAL) return controller.close()
          gauge.wrote(PIECE.length)
          controller.enqueue(PIECE)
        },
      },
      { highWaterMark: 0 },
    )

  async function take(gauge: Gauge, body: ReadableStream<Uint8Array> | null): Promise<void> {
    for await (const piece of body as unknown as AsyncIterable<Uint8Array>) await gauge.took(piece.length)
  }

  it.each(KINDS)('of a sealed response of %s', async kind => {
    const gauge = new Gauge(TOTAL)
    const { url } = await start(() => new Response(source(gauge)), {}, kind)
    const { body } = await setting.web.fetch(url, options())
    await gauge.stall()
    await take(gauge, body)
    gauge.requireFlat()
  })

  it.each(KINDS)('of a sealed request to %s', async kind => {
    const gauge = new Gauge(TOTAL)
    const answer: Answer = async request => {
      await gauge.stall()
      await take(gauge, request.body)
      return new Response('done')
    }
    const { url } = await start(answer, {}, kind)
    expect(await (await setting.web.fetch(url, sending(source(gauge)))).text()).toBe('done')
    gauge.requireFlat()
  })
})
