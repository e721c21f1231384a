import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type Middleware, requireTicket, ticketIfAny, ticketOf } from '../../../service/index.js'
import type { AcceptedTicket } from '../../../service/request/ticket.js'
import { type Adapter, type Compression, hasKey, KEY, NO_KEY, type Reply, type Seen } from './adapter.js'
import { compressing } from './compression.js'
import { describeAdapter } from './suite.js'

/** `requireTicket` of `orthrus/service`, around a handler of `node:http` and as middleware of Connect. */

async function seenBy(req: IncomingMessage, ticket: AcceptedTicket | undefined): Promise<Seen> {
  const { method = '', url: target = '', headers } = req
  const header = (name: string): string | undefined => headers[name]?.toString()
  return { method, target, header, body: await buffer(req), ticket }
}

async function reply(res: ServerResponse, { status = 200, headers = [], body }: Reply): Promise<void> {
  res.statusCode = status
  for (const [name, value] of headers) res.appendHeader(name, value)
  if (body instanceof Readable) await pipeline(body, res)
  else res.end(body)
}

function around(listener: RequestListener, compression: Compression): RequestListener {
  return compression === 'in front' ? compressing(listener) : listener
}

function within(listener: RequestListener, compression: Compression): RequestListener {
  return compression === 'behind' ? compressing(listener) : listener
}

const handler: Adapter = (options, answer, compression) => {
  const guarded = requireTicket(options, async (req, res, ticket) => {
    const listener = async (): Promise<void> => reply(res, await answer(await seenBy(req, ticket)))
    await within(listener, compression)(req, res)
  })
  return around(guarded, compression)
}

const byKey: Middleware<IncomingMessage, ServerResponse> = (req, res, next) => {
  if (hasKey(req.headers[KEY[0]]?.toString())) next()
  else res.writeHead(NO_KEY.status, NO_KEY.headers).end(NO_KEY.body)
}

const middleware: Adapter = (options, answer, compression, either) => {
  const gate = requireTicket(options)
  const guard: Middleware<IncomingMessage, ServerResponse> = either ? gate.or(byKey) : gate
  const listener = async (req: IncomingMessage, res: ServerResponse): Promise<void> =>
    reply(res, await answer(await seenBy(req, either ? ticketIfAny(req) : ticketOf(req))))
  const guarded: RequestListener = (req, res) =>
    guard(req, res, err => {
      if (err !== undefined) throw err
      return within(listener, compression)(req, res)
    })
  return around(guarded, compression)
}

// A listener takes no `next`, so that something else is tried with middleware.
describeAdapter('a handler of node:http', handler, { hasOr: false })
describeAdapter('middleware of Connect', middleware)
