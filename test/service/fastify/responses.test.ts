import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { describe, expect, it } from 'vitest'
import { requireTicket } from '../../../service/fastify.js'
import { toHex } from '../../../shared/bytes.js'
import { responseBinding } from '../../../shared/http/binding.js'
import { turns, until } from '../../support/turns.js'
import { formatRequest } from '../connection.js'
import { expectProved, headerOf, proofOf, type RunningRealm } from '../realm.js'
import { startFastify } from './setting.js'

/** What goes out of Fastify is proved as it goes out. */

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

function start(handler: Handler, build?: (app: FastifyInstance) => void) {
  return startFastify((app, { service }) => {
    app.register(requireTicket, { service, maxResponse: 1_000 })
    app.after(() => {
      build?.(app)
      app.get('/orders', handler)
    })
  })
}

async function get(realm: RunningRealm, method = 'GET') {
  const signed = realm.sign({ method, target: '/orders' })
  return { signed, response: await realm.send(signed) }
}

async function* pieces(...parts: readonly string[]) {
  for (const part of parts) {
    await new Promise(setImmediate)
    yield part
  }
}

const SENT: readonly [string, Handler, string][] = [
  ['an object', () => ({ id: 7 }), '{"id":7}'],
  ['an object that is sent', (_, reply) => void reply.send({ id: 7 }), '{"id":7}'],
  ['a text', async () => 'hello', 'hello'],
  ['a buffer', async () => Buffer.from('hello'), 'hello'],
  ['an array of bytes', (_, reply) => reply.send(new Uint8Array([104, 105])), 'hi'],
  ['a stream', (_, reply) => reply.send(Readable.from(pieces('a', 'b', 'c'))), 'abc'],
  ['a stream of the web', (_, reply) => reply.send(new Blob(['abc']).stream()), 'abc'],
  ['nothing', (_, reply) => reply.code(200).send(), ''],
  ['a redirect', (_, reply) => reply.redirect('/elsewhere', 303), ''],
  ['what is not found', (_, reply) => reply.callNotFound(), expect.stringContaining('Route GET:/orders')],
  [
    'what a handler that took the response over writes',
    (_, reply) => {
      reply.hijack()
      reply.raw.writeHead(202, { 'content-type': 'text/own' })
      reply.raw.write('a')
      setImmediate(() => reply.raw.end('b'))
    },
    'ab',
  ],
  ['a 204', (_, reply) => reply.code(204).send(), ''],
  ['a 304', (_, reply) => reply.code(304).header('etag', '"x"').send(), ''],
]

describe('an answer', () => {
  it.each(SENT)('of %s is proved, and so is that to HEAD', async (_, handler, body) => {
    const realm = await start(handler)
    const { signed, response } = await get(realm)
    expect(response.body.toString()).toEqual(body)
    expectProved(response, signed)
    const head = await get(realm, 'HEAD')
    expect([head.response.status, head.response.body.length]).toEqual([response.status, 0])
    expectProved(head.response, head.signed)
  })

  it('of a Response is proved', async () => {
    const realm = await start(
      async () => new Response('made', { status: 201, headers: { 'content-type': 'text/own' } }),
    )
    const { signed, response } = await get(realm)
    expect([response.status, response.body.toString()]).toEqual([201, 'made'])
    expectProved(response, signed)
  })

  it('to what a handler throws is that of the error handler, and is proved', async () => {
    const realm = await start(
      async () => {
        throw Object.assign(new Error('sold out'), { statusCode: 409 })
      },
      app => app.setErrorHandler((error: Error, _request, reply) => reply.send({ told: error.message })),
    )
    const { signed, response } = await get(realm)
    expect(JSON.parse(response.body.toString())).toEqual({ told: 'sold out' })
    expectProved(response, signed)
  })

  it('that hooks change on its way out is proved as they leave it', async () => {
    const realm = await start(
      async () => 'hello',
      app => {
        app.addHook('onSend', async (_request, reply, payload) => {
          reply.code(203).type('text/changed')
          return `${payload} and more`
        })
        app.addHook('preSerialization', async (_request, _reply, payload) => payload)
      },
    )
    const { signed, response } = await get(realm)
    expect([response.status, response.body.toString(), headerOf(response, 'content-type')]).toEqual([
      203,
      'hello and more',
      'text/changed',
    ])
    expectProved(response, signed)
  })

  it('that a hook replaces by another stream is proved as that', async () => {
    const realm = await start(
      (_, reply) => reply.send(Readable.from(pieces('a', 'b'))),
      app =>
        app.addHook('onSend', async (_request, reply, payload) => {
          reply.removeHeader('content-length')
          return Readable.from(pieces((await buffer(payload as Readable)).toString().toUpperCase()))
        }),
    )
    const { signed, response } = await get(realm)
    expect(response.body.toString()).toBe('AB')
    expectProved(response, signed)
  })

  it('that a plugin compresses is proved as it goes out, and the owner is told that clients refuse it', async () => {
    const realm = await start(
      async () => 'hello',
      app =>
        app.addHook('onSend', async (_request, reply, payload) => {
          reply.header('content-encoding', 'gzip')
          return gzipSync(payload as string)
        }),
    )
    const { signed, response } = await get(realm)
    expectProved(response, signed)
    expect(realm.log.lines.at(-1)?.fields).toMatchObject({ kind: 'response_encoded' })
  })

  it('that something in front changes is not what is proved, so its client refuses it', async () => {
    const realm = await startFastify((app, { service }) => {
      app.addHook('onRequest', async (_request, { raw }) => {
        const end = raw.end.bind(raw) as (chunk: unknown) => typeof raw
        raw.end = (() => end('jello')) as typeof raw.end
      })
      app.register(requireTicket, { service })
      app.get('/orders', async () => 'hello')
    })
    const { signed, response } = await get(realm)
    const { binding } = proofOf(response, signed)
    expect(toHex(binding)).not.toBe(toHex(responseBinding(response.status, response.headers, response.body)))
  })
})

const FAILING: readonly [string, Handler, string][] = [
  ['is too large', async () => 'x'.repeat(1_001), 'the response is larger than 1000 bytes'],
  [
    'is a stream that is too large',
    (_, reply) => reply.send(Readable.from(pieces('x'.repeat(900), 'x'.repeat(900)))),
    'the response is larger than 1000 bytes',
  ],
  [
    'has trailers',
    (_, reply) => reply.trailer('x-sum', async () => '1').send('hello'),
    'trailers, which nothing covers',
  ],
  [
    'has a header twice that is covered',
    (_, reply) => reply.header('location', ['/a', '/b']).send('hello'),
    'the header location occurs twice',
  ],
]

describe('an answer that cannot be proved', () => {
  it.each(FAILING)('because it %s becomes a proved 500', async (_, handler, reason) => {
    const realm = await start(handler)
    const { signed, response } = await get(realm)
    expect([response.status, response.body.toString()]).toEqual([500, 'internal error\n'])
    expectProved(response, signed)
    expect(realm.log.lines.at(-1)?.fields).toMatchObject({ kind: 'response_failed' })
    expect(String(realm.log.lines.at(-1)?.fields.reason)).toContain(reason)
  })

  it('because its stream fails goes out neither whole nor in part', async () => {
    const failing = async function* () {
      yield 'a'
      await new Promise(setImmediate)
      throw new Error('lost')
    }
    const realm = await start((_, reply) => reply.send(Readable.from(failing())))
    const signed = realm.sign({ target: '/orders' })
    const connection = realm.connect().write(formatRequest(signed), 'GET')
    await connection.closed()
    expect(connection.left.length).toBe(0)
  })
})

describe('a client that goes away', () => {
  it('before its request is whole is neither handled nor answered', async () => {
    const handled: unknown[] = []
    const realm = await startFastify((app, { service }) => {
      app.register(requireTicket, { service })
      // As of uploads: it leaves the body to the handler, and would let it run.
      app.addContentTypeParser('*', (_request, _payload, done) => done(null))
      app.post('/orders', async request => handled.push(request.body))
    })
    const signed = realm.sign({ method: 'POST', target: '/orders', body: Buffer.from('"whole"') })
    const whole = Buffer.from(formatRequest(signed))
    const connection = realm.connect().write(whole.subarray(0, -2), 'POST')
    await connection.flushed()
    connection.destroy()
    await until(() => realm.log.lines.some(({ fields }) => fields.kind === 'aborted'))
    await turns()
    expect(handled).toEqual([])
  })
})
