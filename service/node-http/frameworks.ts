import { IncomingMessage, ServerResponse } from 'node:http'

/**
 * `requireTicket` works on requests and responses of `node:http`. A framework with objects of its own would call it
 * with those and fail in the middle of a request. These checks report that in a way that the framework's error handling
 * accepts.
 */

const ADVICE = {
  koa: 'Koa: createServer(requireTicket({ service }, app.callback())); the ticket is ctx.req.ticket',
  fastify:
    'Fastify: fastify({ serverFactory: handler => createServer(requireTicket({ service }, handler)) }); the ticket is request.raw.ticket',
  hono: 'Hono: createServer(requireTicket({ service }, getRequestListener(app.fetch))), of @hono/node-server; the ticket is c.env.incoming.ticket',
  connect: 'Express and Connect: app.use(requireTicket({ service })); the ticket is req.ticket',
  other:
    'Put it in front: createServer(requireTicket({ service }, listener)), with the framework as the listener',
} as const

type Framework = keyof typeof ADVICE

/**
 * Whether `requireTicket` was called as a listener of `node:http` or as middleware of Connect.
 * @returns false if `next` was told that it was not
 * @throws TypeError that says what to do instead, if there is no `next` to tell
 */
export function requireNodeHttp(req: IncomingMessage, res: ServerResponse, next: unknown): boolean {
  // The type is nearly always right, and then nothing more is checked.
  if (req instanceof IncomingMessage && res instanceof ServerResponse) return true
  if (isRequest(req) && isResponse(res)) return true
  const framework = ADVICE[frameworkOf(req, res)]
  const error = new TypeError(`requireTicket takes a request and response of node:http. ${framework}`)
  if (typeof next !== 'function') throw error
  next(error)
  return false
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
