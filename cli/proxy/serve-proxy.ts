import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isHeadCut } from '../../service/node-http/body.js'
import { mayPresentTicket } from '../../service/node-http/without-ticket.js'
import type { Service } from '../../service/request/service.js'
import type { AcceptedTicket } from '../../service/request/ticket.js'
import { requireTicket } from '../../service/require-ticket.js'
import { acceptsSealed } from '../../service/response/sealing.js'
import { pairsOf } from '../../shared/http/header-pairs.js'
import type { Logger } from '../../shared/logger.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import type { ClaimValue } from '../../shared/ticket/claims.js'
import type { Timers } from '../../shared/timers.js'
import type { Assertions } from './assertion.js'
import { answerFault, type Fault } from './faults.js'
import { forward } from './forward.js'
import {
  boundButNamed,
  type HeaderPair,
  headersForProgram,
  type OwnedHeaders,
  overrideIn,
  valuesOf,
} from './header-rules.js'
import { identityHeaders, type Sender } from './identity-headers.js'
import type { Shares } from './shares.js'
import { toldLength } from './told-length.js'
import type { Upstream } from './upstream.js'

/** Stands in front of a program that speaks HTTP, and lets through what `requireTicket` lets through. */

export interface ServeProxyOptions {
  readonly service: Service
  readonly upstream: Upstream
  readonly owned: OwnedHeaders
  /** What the ticket must have. */
  readonly claims: Readonly<Record<string, ClaimValue>>
  /** Paths that anybody may ask for, by GET and HEAD. */
  readonly openPaths: ReadonlySet<string>
  /** Bytes. */
  readonly maxBody: number
  readonly maxResponse: number
  /** How long the program may be silent, milliseconds. */
  readonly patience: number
  /** How long a client may send nothing of a body that is awaited, and take nothing of an answer, milliseconds. */
  readonly clientPatience: number
  /** What each client may have of the program at once. */
  readonly shares: Shares
  readonly timers: Timers
  readonly logger: Logger
  /** With a key that the program has too. */
  readonly assertions?: Assertions | undefined
}

/** Takes the requests that come to the server from now on. WebSockets are those of `serveUpgrades`. */
export function serveProxy(server: Server, options: ServeProxyOptions): void {
  const { service, claims, maxBody, maxResponse } = options
  const gate = requireTicket({ service, claims, maxBody, maxResponse }, (req, res, ticket) =>
    passOn(options, req, res, ticket),
  )
  const take = (req: IncomingMessage, res: ServerResponse): void => {
    if (isOpen(options, req)) passOpen(options, req, res)
    else gate(req, res)
  }
  server.on('request', take)
  // Nobody is asked for a body before the ticket was looked at.
  server.on('checkContinue', take)
}

function passOn(
  options: ServeProxyOptions,
  req: IncomingMessage,
  res: ServerResponse,
  ticket: AcceptedTicket,
): void {
  const pairs = pairsOf(req.rawHeaders)
  const fault = faultIn(req, pairs, ticket.covered)
  if (fault !== undefined) {
    answerFault(res, fault)
    req.resume()
    return
  }
  const headers = [...headersForProgram(pairs, options.owned), ...headersAbout(options, ticket, req)]
  const message = { method: req.method ?? '', target: '', headers: pairs, body: undefined as never }
  exchange(options, req, res, {
    headers,
    presenter: ticket.via ?? ticket.client,
    client: ticket.client,
    told: toldLength(pairs, ticket.covered),
    isStreamed: status => acceptsSealed(message, status),
  })
}

/** What the program learns of the sender, and why it can believe it. */
export function headersAbout(
  { owned: { prefix }, assertions }: Pick<ServeProxyOptions, 'owned' | 'assertions'>,
  sender: Sender,
  { method = '', url = '' }: Pick<IncomingMessage, 'method' | 'url'>,
): HeaderPair[] {
  const identity = identityHeaders(prefix, sender)
  return assertions === undefined
    ? identity
    : [...identity, assertions.headerFor(prefix, sender, method, url)]
}

/** What one exchange has beside what all have. */
interface Own {
  readonly headers: readonly HeaderPair[]
  /** Whoever presents a ticket: `undefined` of a request without one. */
  readonly presenter: string | undefined
  readonly client: string | undefined
  /** The length of its body, bytes, as the client told it. */
  readonly told?: number | undefined
  readonly isStreamed: (status: number) => boolean
}

function exchange(
  options: ServeProxyOptions,
  req: IncomingMessage,
  res: ServerResponse,
  { headers, presenter = '', client, told, isStreamed }: Own,
): void {
  const { upstream, shares, maxResponse, patience, clientPatience, timers, logger } = options
  const onFault = ({ status, detail }: Fault): void => {
    const path = pathOf(req.url) ?? ''
    logger.warn({ client, method: req.method, path, status, reason: detail }, messageOf(status))
  }
  const all = [...headers, ['accept-encoding', 'identity'] as const]
  const limits = { maxResponse, patience, clientPatience, timers }
  forward({ upstream, shares, presenter, req, res, headers: all, told, isStreamed, ...limits, onFault })
}

function messageOf(status: number): string {
  return status < 500 ? 'a request was not passed on, or given up' : 'the program behind failed'
}

/** Only what says nothing of a ticket is open. */
function isOpen({ openPaths }: ServeProxyOptions, req: IncomingMessage): boolean {
  const isRead = req.method === 'GET' || req.method === 'HEAD'
  return openPaths.size > 0 && isRead && openPaths.has(pathOf(req.url) ?? '') && !mayPresentTicket(req)
}

/** Nothing is known of whoever asks, and nothing proves the answer. */
function passOpen(options: ServeProxyOptions, req: IncomingMessage, res: ServerResponse): void {
  const pairs = pairsOf(req.rawHeaders)
  const fault =
    faultIn(req, pairs, []) ?? overrideFault(pairs) ?? (announcesBody(pairs) ? NO_BODY : undefined)
  if (fault !== undefined) answerFault(res, fault, true)
  else {
    const headers = headersForProgram(pairs, options.owned)
    exchange(options, req, res, { headers, presenter: undefined, client: undefined, isStreamed: () => false })
  }
}

function announcesBody(pairs: readonly HeaderPair[]): boolean {
  return (
    valuesOf(pairs, 'transfer-encoding').length > 0 || valuesOf(pairs, 'content-length').some(v => v !== '0')
  )
}

/** Methods that show a request to whoever sent it, with what the proxy has added, or that make a tunnel. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['TRACE', 'TRACK', 'CONNECT'])

/** Why a request is not passed on, although its ticket is good: servers read it in different ways. */
function faultIn(
  req: IncomingMessage,
  pairs: readonly HeaderPair[],
  covered: readonly string[],
): Fault | undefined {
  const { method = '', url = '' } = req
  if (REFUSED_METHODS.has(method)) {
    const text = `no request with the method ${method} is passed on`
    return {
      status: 405,
      word: 'method_refused',
      text,
      headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
    }
  }
  const wrong = targetFault(url)
  if (wrong !== undefined) return wrong
  if (valuesOf(pairs, 'host').length > 1) return refused('the header host is there twice')
  if (valuesOf(pairs, 'transfer-encoding').some(value => value.toLowerCase() !== 'chunked'))
    return refused('a transfer-encoding is chunked, and nothing else')
  if (Number.isNaN(toldLength(pairs, covered))) return refused('the length of its body is no length')
  if (isHeadCut(req)) return refused('it has too many headers')
  const named = boundButNamed(pairs, covered)
  if (named !== undefined)
    return refused(
      `connection names ${named}, which the request was proved with: something on the way changes requests`,
    )
  return undefined
}

/** Why a target is not passed on. */
export function targetFault(target: string): Fault | undefined {
  if (target.startsWith('/') && !target.includes('#')) return undefined
  return refused('the target is a path with or without a query, as /orders?page=2')
}

/** Why headers are not passed on that no gate has looked at. */
export function overrideFault(pairs: readonly HeaderPair[]): Fault | undefined {
  const name = overrideIn(pairs)
  return name === undefined ? undefined : refused(`${name} would make another request of it`)
}

function refused(text: string): Fault {
  return { status: 400, word: 'request_wrong', text: `${text}; nothing was sent to the program behind` }
}

const NO_BODY: Fault = refused('a request without a ticket has no body')
