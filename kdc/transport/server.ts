import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
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
import { Handshakes } from './handshakes.js'
import { answerHttp } from './http.js'
import type { ListenPlace } from './listen-failure.js'
import { createListener, type Listener, listenAt } from './listener.js'
import { Rounds } from './rounds.js'
import { secureOptions, type TlsIdentity } from './tls.js'
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
  /** Undefined for a listener without TLS. */
  readonly tls: TlsIdentity | undefined
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

/** The KDC's WebSocket (docs/protocol.md section 3, "Transport"): connections and their limits. */
export class KdcServer {
  readonly #options: ServerOptions
  readonly #http: Listener
  readonly #webSockets: WebSocketServer
  readonly #dispatch: Dispatch
  readonly #opener: ChannelOpener
  readonly #connections: Rounds<Connection>
  readonly #shares: ConnectionShares
  /** Sockets over which something else than a WebSocket was asked for: each answer closes its socket. */
  readonly #asked = new WeakSet<Duplex>()
  readonly #shareOf = new WeakMap<Duplex, ConnectionShare>()
  readonly #handshakes = new Handshakes<ConnectionShare>()
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
    this.#http = this.#createHttp(options)
  }

  /**
   * @param place port 0 for any free one
   * @throws OrthrusError `unavailable` if it cannot listen there
   */
  async listen(place: ListenPlace): Promise<AddressInfo> {
    const address = await listenAt(this.#http, place)
    const { report, timers } = this.#options.context
    // Without a listener, running out of file descriptors would end the process.
    this.#http.on('error', cause => report.tell({ kind: 'accept_failed', failure: describeFailure(cause) }))
    this.#stopPinging = this.#connections.start(timers, some => this.#check(some))
    return address
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

  #createHttp({ limits, tls, context, allowedOrigins }: ServerOptions): Listener {
    const http = createListener(limits.handshake, tls, context.realm.time.now())
    http.on('connection', socket => this.#count(socket))
    if (tls !== undefined) this.#watchHandshakes(http)
    http.on('request', (request, response) => this.#answerHttp(request, response))
    http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head, allowedOrigins))
    return http
  }

  #watchHandshakes(http: Listener): void {
    http.on('secureConnection', (secured: TLSSocket) => {
      const share = this.#handshakes.finish(secured)
      if (share === undefined) secured.destroy()
      else this.#shareOf.set(secured, share)
    })
    http.on('tlsClientError', (cause: Error, socket: Socket) => {
      const address = countedAddress(socket.remoteAddress)
      this.#options.context.report.tell({
        kind: 'connection_failed',
        address,
        failure: describeFailure(cause),
      })
    })
  }

  /**
   * Connections that are open keep their certificate.
   * @throws TypeError if the listener has no TLS; OrthrusError `unavailable` if they cannot be used: the old ones stay
   */
  renewTls(identity: TlsIdentity): void {
    if (!('setSecureContext' in this.#http)) throw new TypeError('the KDC was started without tls')
    this.#http.setSecureContext(secureOptions(identity, this.#options.context.realm.time.now()))
  }

  /** Counts a socket before anything is read from it. */
  #count(socket: Socket): void {
    this.#accepted += 1
    const share = this.#takeShare(socket, socket)
    if (share === undefined) {
      socket.destroy()
      return
    }
    if (this.#options.tls === undefined) this.#shareOf.set(socket, share)
    else this.#handshakes.begin(socket, share)
    socket.once('close', () => share.release())
  }

  /** @param stream what is cut to make room. @returns `undefined` if there is none, which is reported */
  #takeShare({ remoteAddress }: Socket, stream: Duplex): ConnectionShare | undefined {
    const peer = countedAddress(remoteAddress)
    const cut = this.#cutOf(stream, peer)
    const share = this.#isTold(remoteAddress)
      ? this.#shares.takeUnlocated(peer, cut)
      : this.#shares.take(peer, cut)
    if (share === undefined) this.#refused(peer, 'too many connections', this.#options.limits.connections)
    return share
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

  /**
   * Takes a handshake that came to another listener of this process, over which nothing else was asked, as if it had come to
   * its own. It begins to count here.
   * @param origin of the only pages that may connect so; a handshake that names none is refused
   */
  acceptUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, origin: string): void {
    this.#accepted += 1
    const share = this.#closing ? undefined : this.#takeShare(request.socket, socket)
    if (share === undefined) {
      socket.destroy()
      return
    }
    this.#shareOf.set(socket, share)
    socket.once('close', () => share.release())
    if (request.headers.origin === undefined) {
      const fault = { status: 403, reason: 'only pages of this origin connect here' }
      this.#options.context.report.tell({ kind: 'handshake_refused', ...fault })
      refuseUpgrade(socket, fault)
    } else this.#upgrade(request, socket, head, [origin])
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, allowedOrigins: readonly string[]): void {
    const { context } = this.#options
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
    this.#handshakes.end()
    this.#http.closeAllConnections()
  }
}
