import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RunningKdc } from '../../kdc/main.js'
import { explainListenFailure } from '../../kdc/transport/listen-failure.js'
import { createListener, type Listener } from '../../kdc/transport/listener.js'
import { secureOptions, type TlsIdentity } from '../../kdc/transport/tls.js'
import { refuseUpgrade } from '../../shared/channel/upgrade.node.js'
import { type Clock, SECOND, systemClock } from '../../shared/time.js'
import { runAfter, systemTimers } from '../../shared/timers.js'
import type { ListenAddress } from '../metrics/address.js'
import type { ServedFile, ServedFiles } from './files.js'
import { cachingOf, SECURITY_HEADERS, TLS_ALONE } from './headers.js'
import { type AllowedHosts, isForTlsAlone, originsOf, placeToOpen } from './hosts.js'
import { Visitors } from './visitors.js'

/** Serves the page, and hands WebSockets of its own origin to the KDC of the same process. It can do nothing else. */

export interface ConsoleListener {
  readonly url: string
  /** Shows another certificate from now on. @throws OrthrusError `unavailable` if it cannot be used: the old one stays */
  renewTls(identity: TlsIdentity): void
  /** Accepts nothing more, and ends what is under way within a second; WebSockets are the KDC's to end. */
  close(): Promise<void>
}

export interface ConsoleOptions {
  readonly kdc: Pick<RunningKdc, 'acceptUpgrade'>
  readonly files: ServedFiles
  /** Names besides the addresses of this machine. */
  readonly hosts: readonly string[]
  readonly tls: TlsIdentity | undefined
  readonly clock?: Clock
}

/** Milliseconds. */
const LIMITS = { TIME: 10 * SECOND, DRAIN: SECOND } as const

const KDC_PATH = '/kdc'

interface Serving {
  readonly kdc: ConsoleOptions['kdc']
  readonly files: ServedFiles
  readonly allowed: AllowedHosts
  readonly visitors: Visitors
  /** Sockets over which a file was asked for: each answer closes its socket. */
  readonly asked: WeakSet<Duplex>
}

/** @throws OrthrusError `unavailable` if it cannot listen there */
export async function startConsoleListener(
  { host, port }: ListenAddress,
  { kdc, files, hosts, tls, clock = systemClock }: ConsoleOptions,
): Promise<ConsoleListener> {
  const listener = createListener(LIMITS.TIME, tls, clock.now())
  const named = hosts.map(name => name.toLowerCase())
  const visitors = new Visitors()
  const allowed = { named, tls: tls !== undefined }
  const serving = { kdc, files, allowed, visitors, asked: new WeakSet<Duplex>() }
  visitors.watch(listener, tls !== undefined)
  // Who reads nothing would keep a file in memory.
  listener.on(tls === undefined ? 'connection' : 'secureConnection', socket =>
    socket.setTimeout(2 * LIMITS.TIME, () => socket.destroy()),
  )
  listener.on('request', (request, response) => answer(request, response, serving))
  listener.on('upgrade', (request, socket, head) => upgrade(request, socket, head, serving))
  // Whoever asks first whether a body is wanted gets the answer at once.
  listener.on('checkContinue', (request, response) => answer(request, response, serving))
  // Node itself would answer without the headers, and take a WebSocket behind it.
  listener.on('checkExpectation', (request, response) => answer(request, response, serving))
  const bound = await listen(listener, host, port)
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${placeToOpen(host, bound, named)}/`,
    renewTls: identity => {
      if (!('setSecureContext' in listener)) throw new TypeError('the console was started without tls')
      listener.setSecureContext(secureOptions(identity, clock.now()))
    },
    close: () => close(listener),
  }
}

function listen(listener: Listener, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once('error', cause =>
      reject(explainListenFailure({ host, port }, cause, '--console HOST:PORT')),
    )
    listener.listen({ host, port }, () => {
      listener.removeAllListeners('error')
      // Without a listener, running out of file descriptors would end the process.
      listener.on('error', () => {})
      const address = listener.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function close(listener: Listener): Promise<void> {
  const closed = new Promise<void>(resolve => listener.close(() => resolve()))
  listener.closeIdleConnections()
  const cancel = runAfter(systemTimers, LIMITS.DRAIN, () => listener.closeAllConnections())
  return closed.finally(cancel)
}

function answer(request: IncomingMessage, response: ServerResponse, serving: Serving): void {
  serving.asked.add(request.socket)
  request.resume()
  response.on('error', () => {})
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
  response.setHeader('Connection', 'close')
  const host = hostOf(request)
  if (isForTlsAlone(host, serving.allowed)) response.setHeader('Strict-Transport-Security', TLS_ALONE)
  if (originsOf(host, request.socket.localAddress, serving.allowed).length === 0) {
    refuse(response, 421, 'this console has another name: see --console-host')
    return
  }
  const file = serving.files.get(request.url ?? '')
  if (file === undefined) refuse(response, 404, 'the console is at /')
  else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    refuse(response, 405, 'GET or HEAD')
  } else send(response, file, request.method === 'HEAD')
}

/** What stands before this listener may heed another one of several. @returns undefined unless there is one */
function hostOf(request: IncomingMessage): string | undefined {
  const { host = [] } = request.headersDistinct
  return host.length === 1 ? host[0] : undefined
}

function send(response: ServerResponse, file: ServedFile, isHead: boolean): void {
  response.writeHead(200, {
    'Content-Type': file.type,
    'Content-Length': file.body.length,
    'Cache-Control': cachingOf(file),
  })
  response.end(isHead ? undefined : file.body)
}

function refuse(response: ServerResponse, status: number, what: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
  response.end(`${what}\n`)
}

function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, serving: Serving): void {
  const { headers, url } = request
  // Behind another request, whose answer would come in the middle of the WebSocket.
  if (serving.asked.has(socket)) {
    socket.destroy()
    return
  }
  const origins = originsOf(hostOf(request), request.socket.localAddress, serving.allowed)
  const [first] = origins
  if (url === KDC_PATH && first !== undefined) {
    // From here on the KDC's limits hold, and a channel may be idle for hours.
    request.socket.setTimeout(0)
    serving.visitors.release(socket)
    const origin = origins.find(each => each === headers.origin) ?? first
    serving.kdc.acceptUpgrade(request, socket, head, origin)
    return
  }
  socket.on('error', () => {})
  if (first === undefined)
    refuseUpgrade(socket, { status: 421, reason: 'this console has another name: see --console-host' })
  else refuseUpgrade(socket, { status: 404, reason: `the KDC is at ${KDC_PATH}` })
}
