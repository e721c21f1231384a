import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import compress from '@fastify/compress'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RequestRefused, requireTicket } from '../../../service/fastify.js'
import { listenerOf } from '../fastify/setting.js'
import type { Adapter, Seen } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `orthrus/fastify` in a real Fastify: guarding the whole application, or one plugin within it. */

const LARGEST = 32 * 1024 * 1024

function seenBy(request: FastifyRequest): Seen {
  const { method, originalUrl: target, headers, body } = request
  const header = (name: string): string | undefined => headers[name]?.toString()
  return {
    method,
    target,
    header,
    body: body instanceof Buffer ? body : Buffer.alloc(0),
    ticket: request.ticket,
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

function addRoutes(app: FastifyInstance, answer: Parameters<Adapter>[1]): void {
  app.all('/*', async (request, reply) => {
    const { status = 200, headers = [], body } = await answer(seenBy(request))
    for (const [name, value] of headers) reply.header(name, value)
    return reply.code(status).send(body)
  })
}

const application: Adapter = async (options, answer, compression) => {
  const listener = await listenerOf(
    app => {
      prepare(app)
      app.register(requireTicket, options)
      if (compression === 'behind') app.register(compress)
      app.register(async routes => addRoutes(routes, answer))
    },
    { bodyLimit: LARGEST },
  )
  return compression === 'in front' ? compressing(listener) : listener
}

const plugin: Adapter = async (options, answer, compression) => {
  const listener = await listenerOf(
    app => {
      app.get('/health', async () => 'ok')
      app.register(async orders => {
        prepare(orders)
        if (compression === 'behind') await orders.register(compress)
        addRoutes(orders, answer)
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
