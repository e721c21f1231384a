import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireTicket as requireOfFastify } from '../../../service/fastify.js'
import { requireTicket as requireOfFetch } from '../../../service/fetch-handler.js'
import { requireTicket, type Service } from '../../../service/index.js'
import { requireTicket as requireOfKoa } from '../../../service/koa.js'
import { listenerOf } from '../../service/fastify/setting.js'
import { piecesOf, type Setting, serve, startSetting } from './setting.js'

/** Sealed bodies in frameworks: their parsers read what was opened, and what they stream is sealed as it comes. */

let setting: Setting & { end(): Promise<void> }

/** The server of Hono puts classes of its own in their place, and files of tests share a process. */
const platform = { Request: globalThis.Request, Response: globalThis.Response }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(async () => {
  Object.assign(globalThis, platform)
  await setting.end()
})

const EVENTS = ['data: one\n\n', 'data: two\n\n']
const STREAM = 'text/event-stream'

/** Its second event comes once the first was read. */
function events(): { readonly stream: Readable; more(): void } {
  const stream = new Readable({ read: () => {} })
  stream.push(EVENTS[0])
  return {
    stream,
    more: () => {
      stream.push(EVENTS[1])
      stream.push(null)
    },
  }
}

type Build = (service: Service, source: Readable) => RequestListener | Promise<RequestListener>

const frameworks: Record<string, Build> = {
  Express: (service, source) => {
    const app = express()
    app.use(requireTicket({ service }), express.json())
    app.post('/', (req, res) => void res.json(req.body))
    app.get('/', (_, res) => void source.pipe(res.type(STREAM)))
    return app
  },
  Koa: (service, source) => {
    const app = new Koa()
    app.use(requireOfKoa({ service }))
    app.use(async ctx => {
      ctx.type = ctx.method === 'GET' ? STREAM : 'application/json'
      ctx.body = ctx.method === 'GET' ? source : await textOf(ctx.req)
    })
    return app.callback() as RequestListener
  },
  Fastify: (service, source) =>
    listenerOf(app => {
      app.register(requireOfFastify, { service })
      app.post('/', async request => request.body)
      app.get('/', (_, reply) => reply.type(STREAM).send(source))
    }),
  Hono: (service, source) => {
    const app = new Hono()
    app.use(requireOfFetch({ service }))
    app.post('/', async c => c.json(await c.req.json()))
    app.get('/', () => responseOf(source))
    return getRequestListener(app.fetch)
  },
  'a handler of Requests': (service, source) => {
    const handler = requireOfFetch({ service }, async request =>
      request.method === 'GET' ? responseOf(source) : Response.json(await request.json()),
    )
    return getRequestListener(handler, { overrideGlobalObjects: false })
  },
}

function responseOf(source: Readable): Response {
  return new Response(Readable.toWeb(source) as ReadableStream, { headers: { 'content-type': STREAM } })
}

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const piece of stream) text += piece
  return text
}

describe.each(Object.entries(frameworks))('a sealed body in %s', (_, build) => {
  it('is parsed as what was sealed', async () => {
    const { url } = await serve(await build(setting.service, events().stream))
    const init = { method: 'POST', body: '{"sum":5}', headers: { 'content-type': 'application/json' } }
    const response = await setting.web.fetch(url, { service: 'orders', sealed: true, ...init })
    expect([response.status, await response.json()]).toEqual([200, { sum: 5 }])
  })

  it('reaches its reader while the rest of it is not there', async () => {
    const { stream, more } = events()
    const { url } = await serve(await build(setting.service, stream))
    const pieces = piecesOf(await setting.web.fetch(url, { service: 'orders', sealed: true }))
    expect(await pieces.next()).toBe(EVENTS[0])
    more()
    expect([await pieces.next(), await pieces.next()]).toEqual([EVENTS[1], undefined])
  })
})
