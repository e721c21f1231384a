import { buffer } from 'node:stream/consumers'
import { createGunzip, gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { describe, expect, it } from 'vitest'
import { RequestRefused, requireTicket } from '../../../service/fastify.js'
import type { RawRequest } from '../connection.js'
import { formatRequest } from '../connection.js'
import { expectProved, expectRefused, type RunningRealm } from '../realm.js'
import { startFastify } from './setting.js'

/** What Fastify parses is what was verified, whatever stands between the two. */

interface Setting {
  readonly fastify?: FastifyServerOptions
  /** Registered before the plugin. */
  readonly before?: (app: FastifyInstance) => void
  readonly after?: (app: FastifyInstance) => void
  readonly maxBody?: number
}

async function start({ fastify, before, after, ...options }: Setting = {}) {
  const seen: unknown[] = []
  const realm = await startFastify(
    (app, { service }) => {
      app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
        error instanceof RequestRefused
          ? reply.send(`${error.code ?? 'authentication required'}\n`)
          : reply.code(error.statusCode ?? 500).send({ code: Reflect.get(error, 'code') }),
      )
      before?.(app)
      app.register(requireTicket, { service, ...options })
      after?.(app)
      app.post('/orders', async request => {
        seen.push(request.body)
        return { seen: request.body }
      })
    },
    { ...(fastify && { fastify }) },
  )
  return { realm, seen }
}

function post(realm: RunningRealm, body: string | Uint8Array, type = 'application/json') {
  return realm.sign({
    method: 'POST',
    target: '/orders',
    headers: [['content-type', type]],
    body: Buffer.from(body),
  })
}

const changed = (signed: RawRequest, body: string): RawRequest => ({ ...signed, body: Buffer.from(body) })

describe('a body', () => {
  it('of JSON is parsed, once it was verified', async () => {
    const { realm, seen } = await start()
    const signed = post(realm, '{"sku":1}')
    const response = await realm.send(signed)
    expectProved(response, signed)
    expect(JSON.parse(response.body.toString())).toEqual({ seen: { sku: 1 } })
    const other = post(realm, '{"sku":1}')
    expectRefused(await realm.send(changed(other, '{"sku":2}')), other, 'binding_mismatch', '06')
    expect(seen).toEqual([{ sku: 1 }])
  })

  it('is not parsed before it was verified, by whatever parser', async () => {
    const parsed: string[] = []
    const { realm } = await start({
      before: app =>
        app.addContentTypeParser('text/own', async (_request: unknown, payload: NodeJS.ReadableStream) => {
          const text = (await buffer(payload)).toString()
          parsed.push(text)
          return text
        }),
      after: app =>
        app.addContentTypeParser('text/whole', { parseAs: 'string' }, (_request, body, done) => {
          parsed.push(String(body))
          done(null, body)
        }),
    })
    for (const type of ['text/own', 'text/whole']) {
      const signed = post(realm, 'pay 1', type)
      expectRefused(await realm.send(changed(signed, 'pay 9')), signed, 'binding_mismatch', '06')
      const good = post(realm, 'pay 1', type)
      expectProved(await realm.send(good), good)
    }
    expect(parsed).toEqual(['pay 1', 'pay 1'])
  })

  it('that a preParsing hook unpacks was verified as it came', async () => {
    const { realm, seen } = await start({
      before: app =>
        app.addHook('preParsing', async (_request, _reply, payload) =>
          Object.assign(payload.pipe(createGunzip()), { receivedEncodedLength: packed.length }),
        ),
    })
    const packed = gzipSync('{"sku":1}')
    const signed = post(realm, packed)
    expectProved(await realm.send(signed), signed)
    const other = post(realm, packed)
    const swapped = { ...other, body: gzipSync('{"sku":2}') }
    expectRefused(await realm.send(swapped), other, 'binding_mismatch', '06')
    expect(seen).toEqual([{ sku: 1 }])
  })

  it('that something read before cannot be verified, and the owner is told', async () => {
    const { realm, seen } = await start({
      before: app =>
        app.addHook('onRequest', async ({ raw }) => {
          await buffer(raw)
        }),
    })
    const signed = post(realm, '{"sku":1}')
    expectRefused(await realm.send(signed), signed, 'unavailable', '05')
    expect(realm.log.lines).toMatchObject([{ level: 'error', fields: { kind: 'unchecked' } }])
    expect(String(realm.log.lines[0]?.fields.err)).toContain('the body was read before requireTicket saw it')
    expect(seen).toEqual([])
  })

  it('cannot be hidden by a hook that takes away the header that announces it', async () => {
    const { realm, seen } = await start({
      before: app =>
        app.addHook('onRequest', async ({ raw }) => {
          delete raw.headers['content-length']
          delete raw.headers['content-type']
        }),
    })
    const signed = post(realm, '{"sku":1}')
    expectRefused(await realm.send(changed(signed, '{"sku":2}')), signed, 'binding_mismatch', '06')
    expect(seen).toEqual([])
  })

  it.each<[string, string, string, number]>([
    ['is no JSON', '{"sku":', 'application/json', 400],
    ['is of a type without a parser', 'x', 'text/none', 415],
    ['would set a prototype', '{"__proto__":{"x":1}}', 'application/json', 400],
  ])('that %s is answered by Fastify, and the answer is proved', async (_, body, type, status) => {
    const { realm, seen } = await start()
    const signed = post(realm, body, type)
    const response = await realm.send(signed)
    expect(response.status).toBe(status)
    expectProved(response, signed)
    expect(seen).toEqual([])
  })

  it('that does not fit the schema of its route is answered by Fastify, and the answer is proved', async () => {
    const { realm } = await start({
      after: app =>
        app.put(
          '/orders',
          { schema: { body: { type: 'object', required: ['sku'] } } },
          async request => request.body,
        ),
    })
    const signed = realm.sign({
      method: 'PUT',
      target: '/orders',
      headers: [['content-type', 'application/json']],
      body: Buffer.from('{}'),
    })
    const response = await realm.send(signed)
    expect(response.status).toBe(400)
    expectProved(response, signed)
  })
})

describe('the largest body', () => {
  const large = (length: number) => JSON.stringify('x'.repeat(length - 2))

  it('is that of bodyLimit, of the application or the route, unless maxBody says otherwise', async () => {
    const { realm } = await start({
      fastify: { bodyLimit: 2 * 1024 * 1024 },
      after: app => {
        app.post('/small', { bodyLimit: 10 }, async () => 'ok')
        app.post('/own', { config: { orthrus: { maxBody: 20 } } }, async () => 'ok')
      },
    })
    const send = async (target: string, length: number) => {
      const signed = realm.sign({
        method: 'POST',
        target,
        headers: [['content-type', 'application/json']],
        body: Buffer.from(large(length)),
      })
      const response = await realm.send(signed)
      if (response.status === 200) expectProved(response, signed)
      else expectRefused(response, signed, 'too_large', '06')
      return response.status
    }
    expect(await send('/orders', 1024 * 1024 + 1)).toBe(200)
    expect(await send('/orders', 2 * 1024 * 1024 + 1)).toBe(413)
    expect(await send('/small', 10)).toBe(200)
    expect(await send('/small', 11)).toBe(413)
    expect(await send('/own', 20)).toBe(200)
    expect(await send('/own', 21)).toBe(413)
  })

  it('of Fastify counts too where maxBody is larger, and its answer is proved', async () => {
    const { realm, seen } = await start({ fastify: { bodyLimit: 10 }, maxBody: 100 })
    const signed = post(realm, large(11))
    const response = await realm.send(signed)
    expect([response.status, JSON.parse(response.body.toString())]).toEqual([
      413,
      { code: 'FST_ERR_CTP_BODY_TOO_LARGE' },
    ])
    expectProved(response, signed)
    expect(seen).toEqual([])
  })
})

describe('a connection', () => {
  it('goes on after a refusal whose body was read, and carries pipelined requests', async () => {
    const { realm } = await start()
    const connection = realm.connect()
    const bad = post(realm, '{"sku":1}')
    const good = post(realm, '{"sku":1}')
    connection.write(formatRequest(changed(bad, '{"sku":2}')), 'POST').write(formatRequest(good), 'POST')
    expectRefused(await connection.response(), bad, 'binding_mismatch', '06')
    expectProved(await connection.response(), good)
  })

  it('ends after a refusal whose body nobody read', async () => {
    const { realm } = await start()
    const signed = post(realm, 'x'.repeat(100_000), 'text/none')
    const plain = signed.headers.filter(([name]) => name !== 'authorization')
    const connection = realm.connect().write(formatRequest({ ...signed, headers: plain }), 'POST')
    const response = await connection.response()
    expect([response.status, response.body.toString()]).toEqual([401, 'authentication required\n'])
    await connection.closed()
  })
})
