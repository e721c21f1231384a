import { IncomingMessage, ServerResponse } from 'node:http'
import type { Report } from '../report/events.js'
import { whyWithoutTicket } from '../request/without-ticket.js'

/**
 * `requireTicket` works on requests and responses of `node:http`. A framework with objects of its own would call it
 * with those and fail in the middle of a request. These checks report that in a way that the framework's error handling
 * accepts. A server's event has no error handling: what a listener throws there ends the process.
 */

const ADVICE = {
  koa: 'Koa: app.use(requireTicket({ service })), with requireTicket and ticketOf of orthrus/koa; the ticket is ticketOf(ctx)',
  fastify:
    'Fastify: await app.register(requireTicket, { service }), with the requireTicket of orthrus/fastify; the ticket is request.ticket',
  hono: 'Hono: app.use(requireTicket({ service })), with requireTicket and ticketOf of orthrus/fetch-handler; the ticket is ticketOf(c.req.raw)',
  event:
    "A server calls it with each request: server.on('request', requireTicket({ service }, handler)); no other event has a response to refuse with",
  connect: 'Express and Connect: app.use(requireTicket({ service })); the ticket is ticketOf(req)',
  other:
    'Put it in front: createServer(requireTicket({ service }, listener)), with the framework as the listener',
} as const

type Framework = keyof typeof ADVICE

/**
 * Whether `requireTicket` was called as a listener of `node:http` or as middleware of Connect.
 * @returns false if it was not, and `next` was told so; or, for another event of a server, as `upgrade`, the owner was
 * told and the connection is closed
 * @throws TypeError that says what to do instead, if there is neither a `next` to tell nor a connection
 */
export function requireNodeHttp(
  report: Report,
  req: IncomingMessage,
  res: ServerResponse,
  next: unknown,
): boolean {
  // The type is nearly always right, and then nothing more is checked.
  if (req instanceof IncomingMessage && res instanceof ServerResponse) return true
  if (isRequest(req) && isResponse(res)) return true
  const isMiddleware = typeof next === 'function'
  const connection = isMiddleware ? undefined : connectionOf(req, res)
  const advice = ADVICE[connection === undefined ? frameworkOf(req, res) : 'event']
  const error = new TypeError(`requireTicket takes a request and response of node:http. ${advice}`)
  if (isMiddleware) next(error)
  else if (connection === undefined) throw error
  else endConnection(report, connection, error)
  return false
}

/** Where `ticketOf` finds the ticket, if it was given what a framework made of the request. */
export function noTicket(given: unknown): TypeError {
  const own = isRequest(property(given, 'raw'))
    ? 'request.ticket with orthrus/fastify, or ticketOf(request.raw)'
    : isRequest(property(given, 'req'))
      ? 'ticketOf(ctx.req)'
      : undefined
  const advice =
    own === undefined
      ? (whyWithoutTicket(given, 'ticketIfAny(req)') ??
        'requireTicket has not let this request through: mount it before whatever asks for the ticket')
      : `it takes the request of node:http: ${own}`
  return new TypeError(`ticketOf found no ticket: ${advice}`)
}

/** What an event of a server brought in place of a response: a socket, a stream or session of HTTP/2, a WebSocket. */
function connectionOf(...args: readonly unknown[]): object | undefined {
  const found = args.find(
    arg => hasMethods(arg, 'on') && !isRequest(arg) && END.some(name => hasMethods(arg, name)),
  )
  return found as object | undefined
}

/** What ends a connection at once: of a stream, of the package `ws`. */
const END = ['destroy', 'terminate'] as const

/** Any client can cause such an event, so nothing may be thrown here. */
function endConnection(report: Report, connection: object, err: TypeError): void {
  for (const attempt of [
    () => report({ kind: 'wrong_event', err }),
    () => {
      const name = END.find(name => hasMethods(connection, name)) ?? 'destroy'
      Reflect.apply(Reflect.get(connection, name), connection, [])
    },
  ]) {
    try {
      attempt()
    } catch {
      // A logger that fails costs no more than its line.
    }
  }
}

/**
 * @throws TypeError that says what to do instead, if it is no function, or one that would take the ticket for `next`
 */
export function requireHandler(handler: unknown): void {
  if (typeof handler === 'function' && !isConnect(handler)) return
  const advice = ADVICE[applicationOf(handler)]
  throw new TypeError(`a handler is a function of request, response and ticket. ${advice}`)
}

/** @throws TypeError if middleware was used as a listener, so that nothing would handle the request */
export function requireNext(next: unknown): asserts next is (error?: unknown) => void {
  if (typeof next === 'function') return
  throw new TypeError(
    'requireTicket without a handler is middleware: createServer(requireTicket({ service }, handler)) handles requests',
  )
}

function isRequest(value: unknown): boolean {
  return Array.isArray(property(value, 'rawHeaders'))
}

function isResponse(value: unknown): boolean {
  return hasMethods(value, 'setHeader', 'writeHead', 'end')
}

function frameworkOf(req: unknown, res: unknown): Framework {
  if (isRequest(property(req, 'raw')) && isResponse(property(res, 'raw'))) return 'fastify'
  if (isRequest(property(req, 'req')) && isResponse(property(req, 'res'))) return 'koa'
  if (property(property(req, 'req'), 'raw') !== undefined) return 'hono'
  return 'other'
}

function applicationOf(value: unknown): Framework {
  if (isConnect(value)) return 'connect'
  if (hasMethods(value, 'callback', 'use')) return 'koa'
  if (hasMethods(value, 'addHook', 'route')) return 'fastify'
  if (hasMethods(value, 'fetch', 'use')) return 'hono'
  return 'other'
}

/** An application or router of Express or Connect is a function, whose third parameter is `next`. */
function isConnect(value: unknown): boolean {
  return typeof value === 'function' && hasMethods(value, 'handle', 'use')
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return names.every(name => typeof property(value, name) === 'function')
}

/** Properties of what a framework gives can be getters that throw. */
function property(value: unknown, name: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined
  try {
    return Reflect.get(value, name)
  } catch {
    return undefined
  }
}
