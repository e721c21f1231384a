import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import {
  type BodyLimits,
  type EndStream,
  RequestAborted,
  type RequestBody,
  type UnsealOptions,
} from '../request/message.js'
import { late, tooLarge } from '../request/verify.js'
import { ByteCollector } from '../response/byte-collector.js'
import { unsealBody } from './unsealed-body.js'

/** The body of a request of `node:http`. It is read whole, and whoever reads the request afterwards finds it unread. */
export class NodeBody implements RequestBody {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #timers: Timers

  private constructor(req: IncomingMessage, res: ServerResponse, timers: Timers) {
    this.#req = req
    this.#res = res
    this.#timers = timers
  }

  /** `undefined` if the head of the request says that no body follows. */
  static of(req: IncomingMessage, res: ServerResponse, timers: Timers): NodeBody | undefined {
    const mayFollow = announcesBody(req) || req.httpVersionMajor !== 1 || isHeadCut(req)
    return mayFollow ? new NodeBody(req, res, timers) : undefined
  }

  requireReadable(): void {
    const req = this.#req
    if (req.httpVersionMajor !== 1) throw unboundVersion(req.httpVersion)
    if (isHeadCut(req)) throw malformed('so many headers that the server drops some')
    if (!tellsCompletion(req) && sentHeader(req, 'content-length') === undefined) {
      throw malformed('a body of unknown length, in a request that is no real one')
    }
    if (!req.readableDidRead && req.readableFlowing !== true && req.readableEncoding === null) return
    throw new TypeError(
      'the body was read before requireTicket saw it: mount requireTicket before body parsers',
    )
  }

  async read({ maxBody, timeout, ending }: BodyLimits): Promise<Uint8Array> {
    const req = this.#req
    if (announcedLength(req) > maxBody) throw tooLarge(maxBody)
    continueIfExpected(req, this.#res)
    const body = await collect(req, { maxBody, timeout, ending }, this.#timers)
    if (hasTrailers(req)) throw malformed('trailers, which nothing covers')
    return body
  }

  unseal(options: UnsealOptions): EndStream {
    continueIfExpected(this.#req, this.#res)
    return unsealBody(this.#req, options)
  }
}

/**
 * Whether the head of the request says that a body follows, even an empty one, or some of one has arrived. `headers`
 * cannot be used: middleware may have deleted from it what the client sent, and would hide a body from the binding.
 */
export function announcesBody(req: IncomingMessage): boolean {
  return (
    sentHeader(req, 'transfer-encoding') !== undefined || announcedLength(req) !== 0 || req.readableLength > 0
  )
}

/** How many headers of a request Node keeps, unless `maxHeadersCount` of the server says otherwise. */
const HEADERS_KEPT = 1_000

/**
 * Whether Node may have dropped headers of the request, which it does silently. A dropped `content-length` would hide a
 * body from the binding. A covered header can be missing in `headers`, for the handler, and still be in `rawHeaders`.
 */
export function isHeadCut({ rawHeaders, socket }: IncomingMessage): boolean {
  const server = (socket as { readonly server?: { readonly maxHeadersCount?: unknown } } | undefined)?.server
  const own = server?.maxHeadersCount
  const kept = typeof own === 'number' && own >= 1 ? Math.min(Math.floor(own), HEADERS_KEPT) : HEADERS_KEPT
  return rawHeaders.length >= 2 * kept
}

/** The requests of `app.inject` of Fastify have no list of them. */
function hasTrailers({ rawTrailers }: { readonly rawTrailers?: readonly string[] }): boolean {
  return rawTrailers !== undefined && rawTrailers.length > 0
}

/** False of the requests of `app.inject` of Fastify, which no connection brought: only their length tells the end. */
function tellsCompletion({ complete }: IncomingMessage): boolean {
  return typeof complete === 'boolean'
}

function isComplete(req: IncomingMessage, length: number): boolean {
  return tellsCompletion(req) ? req.complete : length === announcedLength(req)
}

/** Not a number if the header is none, which only something other than Node's parser lets pass. */
function announcedLength(req: IncomingMessage): number {
  return Number(sentHeader(req, 'content-length') ?? 0)
}

/** As the client sent it. @param name in lower case */
function sentHeader({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const sent = rawHeaders[i] as string
    if (sent.length === name.length && sent.toLowerCase() === name) return rawHeaders[i + 1]
  }
  return undefined
}

/** In HTTP/2 a body comes without a header that announces it, so nobody could tell that it was taken away. */
function unboundVersion(version: string): OrthrusError {
  return new OrthrusError('malformed', `HTTP/${version}, but only HTTP/1.1 can be bound`, {
    final: true,
    hint: "serve HTTP/1.1: node:https, or node:http2 with ALPNProtocols: ['http/1.1'], or a proxy in front that speaks HTTP/2",
  })
}

/** Node does so by itself, unless the server listens to `checkContinue` and hands such requests on. */
function continueIfExpected(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect?.toLowerCase() !== '100-continue' || req.httpVersion !== '1.1') return
  const { server } = req.socket as typeof req.socket & { readonly server?: Server }
  if (server !== undefined && server.listenerCount('checkContinue') > 0) res.writeContinue()
}

function collect(
  req: IncomingMessage,
  { maxBody, timeout, ending }: BodyLimits,
  timers: Timers,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const body = new ByteCollector(maxBody)
    const settle = (fault: Error | undefined): void => {
      cancel()
      req.off('readable', read).off('close', abort).off('error', abort)
      if (fault !== undefined) reject(fault)
      else {
        // Put back before 'end': Node emits that only once nothing is left to read.
        if (body.length > 0) putBack(req, body.bytes())
        resolve(body.bytes())
      }
    }
    const abort = (): void => settle(new RequestAborted('the client went away before its request was whole'))
    const read = (): void => {
      if (!drain(req, body)) settle(tooLarge(maxBody))
      else if (isComplete(req, body.length)) settle(undefined)
    }
    const cancel = runAfter(timers, timeout, () => settle(late()))
    if (req.destroyed) return abort()
    // Do not listen to a body that has arrived completely and is empty: Node would answer with 'end'.
    if (req.complete && req.readableLength === 0) return settle(undefined)
    req.on('readable', read).on('close', abort).on('error', abort)
    if (ending !== undefined) ending.onEnd = settle
  })
}

/** Servers that make fetch Requests ask Node whether a body was read, and would take this one as used up. */
function putBack(req: IncomingMessage, bytes: Uint8Array): void {
  const { length } = bytes
  req.unshift(bytes)
  Object.defineProperty(req, 'readableDidRead', {
    configurable: true,
    get: () => req.readableLength !== length || req.readableEnded,
  })
}

/** Whether all of the body was read, by the gate or by others. */
export function wasRead(req: IncomingMessage): boolean {
  return req.complete && (Object.hasOwn(req, 'readableDidRead') || req.readableDidRead)
}

/** Reads what is there, but not beyond, because Node would then emit 'end'. False if the limit is passed. */
function drain(req: IncomingMessage, body: ByteCollector): boolean {
  while (req.readableLength > 0) {
    const piece: Buffer | null = req.read()
    if (piece !== null && !body.append(piece)) return false
  }
  return true
}
