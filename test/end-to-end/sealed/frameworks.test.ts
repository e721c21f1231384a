import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireTicket as requireOfFastify } from '../../../service/fastify.js'
import { requireTicket as requireOfFetch } from '../../../service/fetch-handler.js'
import { requireTicket, type Service } from '../../../service/index.js'
import { requireTicket as requireOfKoa } from '../../../service/koa.js'
import { listenerOf } from '../../service/fastify/setting.js'
import { failureOf } from '../../support/failure.js'
import { piecesOf, type Setting, serve, startSetting } from './setting.js'

/** Sealed bodies in frameworks: their parsers read what was opened, and what they stream is sealed as it comes. */

let setting: Setting & { end(): Promise<void> }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(() => setting.end())

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

describe('a sealed body of a handler of web-standard requests', () => {
  it('is refused, and the log says that it cannot be read there', async () => {
    const handler = requireOfFetch({ service: setting.service }, () => new Response('done'))
    const { url } = await serve(getRequestListener(handler) as RequestListener)
    const init = { method: 'POST', body: 'secret', sealed: true }
    const cause = await failureOf(setting.web.fetch(url, { service: 'orders', ...init }))
    expect(cause).toMatchObject({ code: 'malformed', final: true })
    expect(setting.log.lines.at(-1)?.fields).toMatchObject({
      reason: 'this adapter takes no sealed bodies',
      hint: 'requireTicket on a server of node:http takes sealed bodies',
      ownerMustAct: true,
    })
  })
})
