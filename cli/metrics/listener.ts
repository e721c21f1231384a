import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readiness, RunningKdc } from '../../kdc/index.js'
import { describeFailure } from '../../kdc/report/failure.js'
import { explainListenFailure } from '../../kdc/transport/listen-failure.js'
import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import { isLoopback, type ListenAddress } from './address.js'
import type { MetricsText } from './registry.js'

/** Answers those who watch a KDC: `/metrics`, `/healthz` and `/readyz`, and nothing else. */

export interface MetricsListener {
  readonly url: string
  close(): Promise<void>
}

export interface MetricsListenerOptions {
  readonly kdc: Pick<RunningKdc, 'metrics' | 'readiness' | 'canServe'>
  readonly write: (numbers: Awaited<ReturnType<RunningKdc['metrics']>>) => Promise<MetricsText>
  readonly logger: Logger
}

/** Whoever watches sends a few lines, and reads at once. */
const LIMITS = { HEADER_BYTES: 8 * 1024, TIME: 5 * SECOND, CONNECTIONS: 64 } as const

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

type Answers = ReadonlyMap<string, () => Promise<Answer>>

/** @throws OrthrusError `unavailable` if it cannot listen there */
export async function startMetricsListener(
  { host, port }: ListenAddress,
  options: MetricsListenerOptions,
): Promise<MetricsListener> {
  const server = createServer({
    maxHeaderSize: LIMITS.HEADER_BYTES,
    headersTimeout: LIMITS.TIME,
    requestTimeout: LIMITS.TIME,
    connectionsCheckingInterval: SECOND,
  })
  server.maxConnections = LIMITS.CONNECTIONS
  const answers = answersOf(options)
  const isPrivate = isLoopback(host)
  server.on(
    'request',
    (request, response) => void respond(request, response, { answers, isPrivate, options }),
  )
  // A client that reads nothing would keep its answer in memory.
  server.on('connection', socket => socket.setTimeout(2 * LIMITS.TIME, () => socket.destroy()))
  await listen(server, host, port)
  const bound = (server.address() as AddressInfo).port
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`, close: () => close(server) }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => reject(explainListenFailure({ host, port }, cause, '--metrics HOST:PORT')))
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      // Without a listener, running out of file descriptors would end the process.
      server.on('error', () => {})
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeAllConnections()
  return closed
}

function answersOf({ kdc, write }: MetricsListenerOptions): Answers {
  const metrics = async (): Promise<Answer> => {
    const { contentType, text } = await write(await kdc.metrics())
    return { status: 200, type: contentType, body: text }
  }
  const health = async (): Promise<Answer> => {
    const works = await kdc.canServe()
    return json(works, { status: works ? 'ok' : 'unavailable' })
  }
  const readiness = async (): Promise<Answer> => {
    const found: Readiness = await kdc.readiness()
    return json(found.ready, found)
  }
  return new Map([
    ['/metrics', shared(metrics)],
    ['/healthz', shared(health)],
    ['/readyz', shared(readiness)],
  ])
}

/** Those who ask at the same time get the same answer, so a crowd costs no more than one. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | undefined
  return () => {
    making ??= make().finally(() => {
      making = undefined
    })
    return making
  }
}

function json(isWell: boolean, body: object): Answer {
  return { status: isWell ? 200 : 503, type: 'application/json', body: `${JSON.stringify(body)}\n` }
}

interface Responding {
  readonly answers: Answers
  readonly isPrivate: boolean
  readonly options: MetricsListenerOptions
}

/** Never rejects. */
async function respond(request: IncomingMessage, response: ServerResponse, how: Responding): Promise<void> {
  request.resume()
  const { status, type, body } = await answerTo(request, how).catch((cause): Answer => {
    how.options.logger.error({ failure: describeFailure(cause) }, 'the metrics could not be answered')
    return text(500, 'the log of the KDC says why')
  })
  response.on('error', () => {})
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function answerTo(request: IncomingMessage, { answers, isPrivate }: Responding): Promise<Answer> {
  if (isPrivate && !isLocalName(request.headers.host)) return text(403, 'ask by an address of this machine')
  const [path = ''] = (request.url ?? '').split('?')
  const make = answers.get(path)
  if (make === undefined) return text(404, [...answers.keys()].join(', '))
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'GET or HEAD')
  return make()
}

function text(status: number, what: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${what}\n` }
}

/** A web page may have its own name lead to this machine, so that a browser lets it read what is answered. */
function isLocalName(host = ''): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isLoopback(name)
}
