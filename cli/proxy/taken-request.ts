import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Realm } from '../../client/realm.js'
import { pairsOf } from '../../shared/http/header-pairs.js'
import type { Logger } from '../../shared/logger.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import type { Timers } from '../../shared/timers.js'
import { isFromPage, type Routed, type Routes, routeOf } from './caller-rules.js'
import type { Fault } from './faults.js'
import { type HeaderPair, headersForService, valuesOf } from './header-rules.js'

/** Which requests of programs a proxy makes in the name of its principal, and what it needs for it. */

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
  readonly timers: Timers
  /** How long a service may be silent before its answer begins, milliseconds. */
  readonly patience: number
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

/** Says in the log why a request was refused. */
export function told(
  { logger }: Pick<CallProxyOptions, 'logger'>,
  req: IncomingMessage,
  fault: Fault,
  cause?: unknown,
): void {
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
  text: 'this request comes from a page in a browser, and this proxy is for programs alone, or every page could act as its principal; in pages use orthrus/client. A program that calls itself Mozilla needs another User-Agent',
}

const AUTHORIZED: Fault = {
  status: 400,
  word: 'authorization_refused',
  text: "the header authorization is the proxy's: its ticket says who calls; leave the header out of the program, or start the proxy with --strip authorization",
}
