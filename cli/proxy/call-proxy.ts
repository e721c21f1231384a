import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Realm } from '../../client/realm.js'
import { pairsOf } from '../../service/node-http/request.js'
import { ENCODING_HEADER } from '../../shared/http/header-names.js'
import type { Logger } from '../../shared/logger.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import { isFromPage, type Routed, type Routes, routeOf } from './caller-rules.js'
import { answerFault, type Fault } from './faults.js'
import { type HeaderPair, headersForService, headersOfAnswer, valuesOf } from './header-rules.js'
import { passBack } from './pass-back.js'
import { refusalAnswer } from './refusal-answer.js'
import { LENGTH_HEADER } from './told-length.js'
import { lengthOf, uploadOf } from './upload.js'

/** Takes requests of programs on this machine, makes them in the name of a principal, and gives back what was proved. */

export interface CallProxyOptions {
  readonly realm: Realm
  readonly routes: Routes
  /** Whether bodies travel sealed, and answers are given back as they come. */
  readonly sealed: boolean
  /** Headers of programs that are not sent on, folded. */
  readonly strip: ReadonlySet<string>
  /** Why a connection may not be used; undefined if it may. */
  readonly faultOf: (socket: Socket) => Promise<Fault | undefined>
  readonly logger: Logger
}

/** Takes what comes to the server from now on. */
export function callProxy(server: Server, options: CallProxyOptions): void {
  const usable = new WeakMap<Socket, Promise<Fault | undefined>>()
  // Whose connection it is is looked up at once: when it is ending nobody can tell any more.
  server.on('connection', socket => usable.set(socket, options.faultOf(socket)))
  const take = (req: IncomingMessage, res: ServerResponse): void => {
    answer(options, req, res, usable.get(req.socket)).catch(cause => {
      options.logger.error({ err: cause }, 'unexpected failure while answering')
      res.destroy()
    })
  }
  server.on('request', take)
  server.on('checkContinue', take)
}

async function answer(
  options: CallProxyOptions,
  req: IncomingMessage,
  res: ServerResponse,
  usable: Promise<Fault | undefined> | undefined,
): Promise<void> {
  const taken = (await usable) ?? takeRequest(options, req)
  if ('status' in taken) {
    told(options, req, taken)
    // What is not to be used is not kept either.
    answerFault(res, taken, true)
    req.resume()
    return
  }
  if (req.headers.expect !== undefined) res.writeContinue()
  const ended = new AbortController()
  res.once('close', () => ended.abort(new Error('the program is gone')))
  try {
    const response = await send(options, req, taken, ended.signal)
    await passBack(response, headersOfAnswer([...response.headers]), res)
  } catch (cause) {
    if (ended.signal.aborted) return
    const fault = refusalAnswer(cause)
    told(options, req, fault, cause)
    if (res.headersSent) res.destroy()
    else answerFault(res, fault)
    req.resume()
  }
}

/** A request that is sent on. */
export interface Taken extends Routed {
  readonly headers: readonly HeaderPair[]
}

/** @returns why it is not sent on */
export function takeRequest(
  { routes, strip }: Pick<CallProxyOptions, 'routes' | 'strip'>,
  req: IncomingMessage,
): Taken | Fault {
  if (isFromPage(req)) return FROM_PAGE
  if (REFUSED_METHODS.has(req.method ?? '')) return METHOD
  const routed = routeOf(routes, req)
  if ('status' in routed) return routed
  const headers = headersForService(pairsOf(req.rawHeaders), strip)
  return valuesOf(headers, 'authorization').length > 0 ? AUTHORIZED : { ...routed, headers }
}

async function send(
  { realm, sealed }: CallProxyOptions,
  req: IncomingMessage,
  { route, target, headers }: Taken,
  signal: AbortSignal,
): Promise<Response> {
  // A body with an encoding of its own cannot have that of a sealed one as well.
  const isSealed = sealed && valuesOf(headers, ENCODING_HEADER).length === 0
  const upload = uploadOf(req)
  const length = isSealed && upload !== undefined ? lengthOf(req) : undefined
  const told = length === undefined ? [] : [[LENGTH_HEADER, length] as const]
  return await realm.fetch(route.origin.origin + target, {
    service: route.service,
    method: req.method ?? '',
    headers: [...headers, ...told] as [string, string][],
    redirect: 'manual',
    sealed: isSealed,
    signal,
    ...(upload === undefined ? {} : { body: upload }),
    ...(length === undefined ? {} : { cover: [LENGTH_HEADER] }),
  })
}

function told({ logger }: CallProxyOptions, req: IncomingMessage, fault: Fault, cause?: unknown): void {
  const { status, word } = fault
  const failure = cause instanceof Error ? { reason: cause.message } : {}
  logger.warn(
    { method: req.method, path: pathOf(req.url), status, fault: word, ...failure },
    'a request was refused',
  )
}

const REFUSED_METHODS: ReadonlySet<string> = new Set(['TRACE', 'TRACK', 'CONNECT'])

const METHOD: Fault = {
  status: 405,
  word: 'method_refused',
  text: 'requests with this method are not sent on',
  headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
}

const FROM_PAGE: Fault = {
  status: 403,
  word: 'page_refused',
  text: 'this request comes from a page in a browser, and this proxy is for programs alone, or every page could act as its principal; in pages use orthrus/client',
}

const AUTHORIZED: Fault = {
  status: 400,
  word: 'authorization_refused',
  text: "the header authorization is the proxy's: its ticket says who calls; leave the header out of the program, or start the proxy with --strip authorization",
}
