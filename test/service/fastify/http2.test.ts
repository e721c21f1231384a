import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'
import { requireTicket } from '../../../service/fastify.js'
import { startRealm } from '../realm.js'

/** Requests of HTTP/2 cannot be bound, so none is accepted, and none harms the server. */

async function start() {
  const realm = await startRealm()
  const app = Fastify({ http2: true })
  onTestFinished(() => app.close())
  await app.register(requireTicket as never, { service: realm.service } as never)
  app.route({ method: ['GET', 'POST'], url: '/orders', handler: async () => expect.unreachable('handled') })
  const session = connect(await app.listen({ port: 0, host: '127.0.0.1' }))
  onTestFinished(() => session.destroy())
  return { realm, session }
}

async function ask(session: ClientHttp2Session, method: string, headers: object, body?: string) {
  const stream = session.request({ ':method': method, ':path': '/orders', ...headers })
  stream.end(body)
  const [head] = await once(stream, 'response')
  return { head, body: await text(stream) }
}

describe('a request of HTTP/2', () => {
  it.each([
    ['GET', undefined],
    ['POST', 'x'],
  ])('with %s is refused, with a ticket and without one', async (method, body) => {
    const { realm, session } = await start()
    const plain = await ask(session, method, {}, body)
    expect([plain.head[':status'], plain.body]).toEqual([401, 'authentication required\n'])
    const [, authorization] = realm.sign({ method, target: '/orders' }).headers[0] ?? []
    const signed = await ask(session, method, { authorization }, body)
    expect([signed.head[':status'], signed.body]).toEqual([400, 'malformed\n'])
    expect(signed.head['www-authenticate']).toMatch(/^Orthrus realm="demo\.example", error="malformed"/)
    expect(realm.log.lines.at(-1)?.fields).toMatchObject({ hint: expect.stringContaining('serve HTTP/1.1') })
  })
})
