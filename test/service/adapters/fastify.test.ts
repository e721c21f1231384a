import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import compress from '@fastify/compress'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { RequestRefused, requireTicket, ticketIfAny } from '../../../service/fastify.js'
import { listenerOf } from '../fastify/setting.js'
import { type Adapter, hasKey, KEY, NO_KEY, type Seen } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `orthrus/fastify` in a real Fastify: guarding the whole application, or one plugin within it. */

const LARGEST = 32 * 1024 * 1024

function seenBy(request: FastifyRequest, either: boolean): Seen {
  const { method, originalUrl: target, headers, body } = request
  const header = (name: string): string | undefined => headers[name]?.toString()
  return {
    method,
    target,
    header,
    body: body instanceof Buffer ? body : Buffer.alloc(0),
    ticket: either ? ticketIfAny(request) : request.ticket,
  }
}

/** The suite compares bodies as they came, and refusals as other adapters answer them. */
function prepare(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async (_request: unknown, payload: Readable) => buffer(payload))
  app.setErrorHandler((error, _request, reply) =>
    error instanceof RequestRefused
      ? reply.type('text/plain; charset=utf-8').send(Buffer.from(error.body))
      : reply.code(500).send('failed'),
  )
}

async function byKey(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (hasKey(request.headers[KEY[0]]?.toString())) return undefined
  return reply.code(NO_KEY.status).headers(NO_KEY.headers).send(NO_KEY.body)
}

function addRoutes(app: FastifyInstance, answer: Parameters<Adapter>[1], either: boolean): void {
  app.all('/*', { config: either ? { orthrus: { or: byKey } } : {} }, async (request, reply) => {
    const { status = 200, headers = [], body } = await answer(seenBy(request, either))
    for (const [name, value] of headers) reply.header(name, value)
    return reply.code(status).send(body)
  })
}

const application: Adapter = async (options, answer, compression, either) => {
  const listener = await listenerOf(
    app => {
      prepare(app)
      app.register(requireTicket, options)
      if (compression === 'behind') app.register(compress)
      app.register(async routes => addRoutes(routes, answer, either))
    },
    { bodyLimit: LARGEST },
  )
  return compression === 'in front' ? compressing(listener) : listener
}

const plugin: Adapter = async (options, answer, compression, either) => {
  const listener = await listenerOf(
    app => {
      app.get('/health', async () => 'ok')
      app.register(async orders => {
        prepare(orders)
        if (compression === 'behind') await orders.register(compress)
        addRoutes(orders, answer, either)
        await orders.register(requireTicket, options)
      })
    },
    { bodyLimit: LARGEST },
  )
  return compression === 'in front' ? compressing(listener) : listener
}

describeAdapter('an application of Fastify', application)
// All of it twice takes longer than the quick set of tests has; test/service/fastify/ tries what differs.
if (process.env.ORTHRUS_SLOW === '1') describeAdapter('a plugin of Fastify', plugin)
