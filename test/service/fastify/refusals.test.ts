import { inspect } from 'node:util'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { describe, expect, it } from 'vitest'
import { RequestRefused, requireTicket } from '../../../service/fastify.js'
import type { RawResponse } from '../connection.js'
import { formatRequest } from '../connection.js'
import { headerOf, type RunningRealm, WEB } from '../realm.js'
import { startFastify } from './setting.js'

/** Refusals that an application of Fastify renders. */

function start(build: (app: FastifyInstance) => void, fastify: FastifyServerOptions = {}) {
  return startFastify(
    (app, { service, refused }) => {
      build(app)
      app.register(requireTicket, {
        service,
        claims: { role: 'writer' },
        maxResponse: 1_000,
        onRefused: each => void refused.push(each),
      })
      app.get('/orders', async () => expect.unreachable('it was handled'))
      app.post('/orders', async () => expect.unreachable('it was handled'))
    },
    { fastify },
  )
}

const send = (realm: RunningRealm) => realm.send(realm.sign({ target: '/orders' }))

/** That it is the refusal, whatever the application made of it. */
function expectProtocol(response: RawResponse, status = 403): void {
  expect(response.status).toBe(status)
  expect(headerOf(response, 'www-authenticate')).toMatch(
    /^Orthrus realm="demo\.example", error="not_authorized", message="[\w-]+"$/,
  )
  expect(headerOf(response, 'cache-control')).toBe('no-store')
  expect(headerOf(response, 'authentication-info')).toBeUndefined()
}

describe('a refusal', () => {
  it('is what Fastify says of errors, unless the application says something else', async () => {
    const realm = await start(() => {})
    const response = await send(realm)
    expectProtocol(response)
    expect(JSON.parse(response.body.toString())).toEqual({
      statusCode: 403,
      code: 'not_authorized',
      error: 'Forbidden',
      message: 'the request was refused: not_authorized',
    })
    const plain = await realm.send({ method: 'GET', target: '/orders', headers: [] })
    expect([plain.status, headerOf(plain, 'www-authenticate')]).toEqual([401, 'Orthrus realm="demo.example"'])
    expect(JSON.parse(plain.body.toString())).toEqual({
      statusCode: 401,
      error: 'Unauthorized',
      message: 'authentication required',
    })
    expect(realm.refused).toMatchObject([{ code: 'not_authorized', presenter: WEB }, { code: undefined }])
  })

  it('has the application’s body, the headers of the protocol, and no status of success', async () => {
    const errors: unknown[] = []
    const realm = await start(app =>
      app.setErrorHandler((error, _request, reply) => {
        errors.push(error)
        return reply
          .code(200)
          .headers({ 'cache-control': 'public', 'www-authenticate': 'none', 'x-own': 'y' })
          .removeHeader('www-authenticate')
          .type('text/html')
          .send('<p>no')
      }),
    )
    const response = await send(realm)
    expectProtocol(response)
    expect(response.body.toString()).toBe('<p>no')
    expect([headerOf(response, 'content-type'), headerOf(response, 'x-own')]).toEqual(['text/html', 'y'])
    const [error] = errors
    expect(error).toBeInstanceOf(RequestRefused)
    expect(error).toMatchObject({
      name: 'RequestRefused',
      code: 'not_authorized',
      statusCode: 403,
      presenter: WEB,
      reason: 'the claim "role" is missing',
    })
  })

  it('tells nobody its reason who was not to know it', async () => {
    const shown: string[] = []
    const realm = await start(app =>
      app.setErrorHandler((error: Error, _request, reply) => {
        shown.push(JSON.stringify({ ...error, message: error.message }), String(error), inspect(error))
        return reply.send(error)
      }),
    )
    shown.push((await send(realm)).body.toString())
    for (const text of shown) expect(text).not.toContain('claim')
  })

  it.each<[string, (app: FastifyInstance) => void, unknown, number?]>([
    [
      'throws',
      app =>
        app.setErrorHandler(() => {
          throw new Error('lost')
        }),
      expect.stringContaining('lost'),
      500,
    ],
    ['is async', app => app.setErrorHandler(async () => ({ told: 'no' })), '{"told":"no"}'],
    [
      'is of a hook that changes it',
      app =>
        app.addHook('onSend', async (_request, reply) => {
          reply.code(200)
          return 'changed'
        }),
      'changed',
    ],
    [
      'writes to the response itself',
      app =>
        app.setErrorHandler((_error, _request, reply) => {
          reply.hijack()
          reply.raw.writeHead(200, { 'content-type': 'text/own', trailer: 'x-sum' })
          reply.raw.write('own ')
          reply.raw.end('words')
        }),
      'own words',
    ],
    [
      'says more than a response may have',
      app => app.setErrorHandler((_error, _request, reply) => reply.send('x'.repeat(1_001))),
      'not_authorized\n',
    ],
    [
      'has nothing to say',
      app => app.setErrorHandler((_error, _request, reply) => reply.code(204).send()),
      '',
    ],
  ])('stays one where the error handler %s', async (_, build, body, status) => {
    const realm = await start(build)
    const response = await send(realm)
    expectProtocol(response, status)
    expect(response.body.toString()).toEqual(body)
  })

  it('keeps the challenges of other schemes beside its own', async () => {
    const realm = await start(app =>
      app.setErrorHandler((_error, _request, reply) => reply.header('www-authenticate', 'Bearer').send('no')),
    )
    const { headers } = await send(realm)
    const challenges = headers.filter(([name]) => name.toLowerCase() === 'www-authenticate')
    expect(challenges.map(([, value]) => value.split(' ')[0])).toEqual(['Orthrus', 'Bearer'])
  })

  it('of a gate within another one is rendered too, and not proved', async () => {
    const realm = await startFastify((app, { service }) => {
      app.setErrorHandler((error: Error, _request, reply) => reply.code(200).send(`no: ${error.message}`))
      app.register(requireTicket, { service })
      app.register(async child => {
        child.register(requireTicket, { service, claims: { role: 'writer' } })
        child.get('/orders', async () => expect.unreachable('it was handled'))
      })
    })
    const response = await send(realm)
    expectProtocol(response)
    expect(response.body.toString()).toBe('no: the request was refused: not_authorized')
  })

  it('of a request whose body nobody read is sent at once, and then the connection ends', async () => {
    const realm = await start(app => app.setErrorHandler((_error, _request, reply) => reply.send('rendered')))
    const head = { method: 'POST', target: '/orders', headers: [['content-length', '100000']] } as const
    const connection = realm.connect().write(formatRequest(head), 'POST')
    const response = await connection.response()
    expect([response.status, response.body.toString(), headerOf(response, 'connection')]).toEqual([
      401,
      'rendered',
      'close',
    ])
    realm.clock.advance(2_000)
    await connection.closed()
  })
})
