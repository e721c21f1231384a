import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { createWebSocketServer, refuseUpgrade, upgradeFault } from '../../shared/channel/upgrade.node.js'
import { type Cancel, runAfter } from '../../shared/timers.js'
import { ChannelOpener } from '../channel/channel-opener.js'
import { createDispatch, type Dispatch } from '../exchange/dispatch.js'
import type { Limits } from '../limits/defaults.js'
import type { ExchangeContext } from '../realm/context.js'
import type { CacheUse } from '../realm/record-cache.js'
import type { ConnectionRefused } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import { countedAddress, countedAnswer } from './address.js'
import { Connection } from './connection.js'
import { type ConnectionShare, ConnectionShares, type Cut } from './connection-shares.js'
import { answerHttp } from './http.js'
import { explainListenFailure } from './listen-failure.js'
import { Rounds } from './rounds.js'
import type { TrustedProxies } from './trusted-proxies.js'

export interface ServerOptions {
  readonly context: ExchangeContext
  readonly limits: Limits
  /** Origins whose pages may connect. Browsers send theirs, other clients send none. */
  readonly allowedOrigins: readonly string[]
  /** The address that a connection counts for, if the socket's own is that of a proxy. */
  readonly addressOf: ((request: IncomingMessage) => string) | undefined
  /** Proxies whose headers say it, in place of `addressOf`. */
  readonly trustedProxies: TrustedProxies
}

/** What a server has at the moment, and had since it started. */
export interface ServerUse {
  /** Whether it accepts connections. */
  readonly listening: boolean
  readonly connections: number
  /** Connections that were accepted, those included that were refused at once. */
  readonly accepted: number
  readonly channels: number
  readonly tgts: CacheUse
}

/** The largest headers of a handshake, bytes. */
const HEADER_BYTES_MAX = 8 * 1024

/** The KDC's WebSocket (docs/protocol.md section 3, "Transport"): connections and their limits. */
export class KdcServer {
  readonly #options: ServerOptions
  readonly #http: Server
  readonly #webSockets: WebSocketServer
  readonly #dispatch: Dispatch
  readonly #opener: ChannelOpener
  readonly #connections: Rounds<Connection>
  readonly #shares: ConnectionShares
  /** Sockets over which something else than a WebSocket was asked for: each answer closes its socket. */
  readonly #asked = new WeakSet<Duplex>()
  readonly #shareOf = new WeakMap<Duplex, ConnectionShare>()
  #closing = false
  #accepted = 0
  #stopPinging: Cancel = () => {}

  constructor(options: ServerOptions) {
    this.#options = options
    this.#dispatch = createDispatch(options.context)
    this.#opener = new ChannelOpener(options.context)
    this.#shares = new ConnectionShares(options.limits)
    this.#connections = new Rounds(options.limits.ping)
    this.#webSockets = createWebSocketServer()
    this.#http = this.#createHttp(options.limits.handshake)
  }

  /**
   * @param port 0 for any free one
   * @throws OrthrusError `unavailable` if it cannot listen there
   */
  async listen(host: string, port: number): Promise<AddressInfo> {
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error): void => reject(explainListenFailure(host, port, cause))
      this.#http.once('error', fail)
      this.#http.listen({ host, port }, () => {
        this.#http.off('error', fail)
        // Without a listener, running out of file descriptors would end the process.
        const { report } = this.#options.context
        this.#http.on('error', cause =>
          report.tell({ kind: 'accept_failed', failure: describeFailure(cause) }),
        )
        resolve()
      })
    })
    this.#stopPinging = this.#connections.start(this.#options.context.timers, some => this.#check(some))
    return this.#http.address() as AddressInfo
  }

  get connections(): number {
    return this.#connections.size
  }

  /** What it has and had, for those who measure it. */
  get use(): ServerUse {
    const { hits, misses, size } = this.#dispatch.openedTgts
    return {
      listening: this.#http.listening && !this.#closing,
      connections: this.#connections.size,
      accepted: this.#accepted,
      channels: this.#opener.openChannels,
      tgts: { hits, misses, entries: size },
    }
  }

  /** Accepts nothing more, answers what is under way, and cuts connections that do not end in time. */
  async close(): Promise<void> {
    this.#closing = true
    this.#stopPinging()
    const closed = new Promise(resolve => this.#http.close(resolve))
    this.#http.closeIdleConnections()
    const { context, limits } = this.#options
    const cancel = runAfter(context.timers, limits.drain, () => this.#terminate())
    await Promise.all(this.#connections.members.map(connection => connection.drain()))
    await closed
    cancel()
  }

  #createHttp(handshake: number): Server {
    const http = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: handshake,
      requestTimeout: handshake,
      connectionsCheckingInterval: Math.max(10, Math.ceil(handshake / 4)),
    })
    http.on('connection', socket => this.#count(socket))
    http.on('request', (request, response) => this.#answerHttp(request, response))
    http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    return http
  }

  /** Counts a socket before anything is read from it. */
  #count(socket: Socket): void {
    this.#accepted += 1
    const peer = countedAddress(socket.remoteAddress)
    const cut = this.#cutOf(socket, peer)
    const share = this.#isTold(socket.remoteAddress)
      ? this.#shares.takeUnlocated(peer, cut)
      : this.#shares.take(peer, cut)
    if (share === undefined) {
      this.#refused(peer, 'too many connections', this.#options.limits.connections)
      socket.destroy()
      return
    }
    this.#shareOf.set(socket, share)
    socket.once('close', () => share.release())
  }

  /** Whether the handshake will say where the connection comes from. */
  #isTold(peer: string | undefined): boolean {
    const { addressOf, trustedProxies } = this.#options
    return addressOf !== undefined || trustedProxies.trusts(peer)
  }

  #cutOf(socket: Duplex, address: string): Cut {
    return reason => {
      this.#refused(address, reason)
      socket.destroy()
    }
  }

  #refused(address: string, reason: ConnectionRefused['reason'], limit?: number): void {
    const known = limit === undefined ? {} : { limit }
    this.#options.context.report.tell({ kind: 'connection_refused', address, reason, ...known })
  }

  /** @returns `undefined` if `addressOf` or the proxy's headers give no answer, which is reported */
  #addressOf(request: IncomingMessage): string | undefined {
    const { addressOf, trustedProxies, context } = this.#options
    const { headers, socket } = request
    try {
      if (addressOf !== undefined) return countedAnswer(addressOf(request))
      return countedAddress(trustedProxies.clientOf(socket.remoteAddress, headers))
    } catch (cause) {
      const address = countedAddress(socket.remoteAddress)
      const failure = describeFailure(cause)
      const reason = addressOf === undefined ? 'its proxy sends no address' : 'addressOf failed'
      context.report.tell({ kind: 'connection_refused', address, reason, failure })
      return undefined
    }
  }

  #answerHttp(request: IncomingMessage, response: ServerResponse): void {
    this.#asked.add(request.socket)
    void answerHttp(request, response, this.#options.context.realm)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { context, allowedOrigins } = this.#options
    socket.on('error', cause => {
      context.report.tell({ kind: 'connection_failed', failure: describeFailure(cause) })
    })
    // Behind another request, whose answer would come in the middle of the WebSocket.
    if (this.#closing || this.#asked.has(socket)) {
      socket.destroy()
      return
    }
    const fault = upgradeFault(request, allowedOrigins)
    if (fault !== undefined) {
      context.report.tell({ kind: 'handshake_refused', ...fault })
      refuseUpgrade(socket, fault)
      return
    }
    const address = this.#addressOf(request)
    if (address === undefined) return void socket.destroy()
    if (this.#isTold(request.socket.remoteAddress)) {
      this.#shareOf.get(socket)?.locate(address, this.#cutOf(socket, address))
    }
    this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
      const connection: Connection = new Connection({
        socket: webSocket,
        stream: socket,
        address,
        context,
        dispatch: this.#dispatch,
        opener: this.#opener,
        limits: this.#options.limits,
        onProved: client => this.#shareOf.get(socket)?.prove(client),
        onClosed: () => remove(),
      })
      const remove = this.#connections.add(connection)
    })
  }

  #check(connections: readonly Connection[]): void {
    this.#options.context.realm.time.look()
    for (const connection of connections) connection.check()
  }

  #terminate(): void {
    for (const connection of this.#connections.members) connection.terminate()
    this.#http.closeAllConnections()
  }
}
