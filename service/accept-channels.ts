import type { IncomingMessage } from 'node:http'
import type { Socket, Server as TcpServer } from 'node:net'
import { requireOrigins } from '../shared/http/origins.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import { ChannelAcceptor } from './channel/acceptor.js'
import {
  type ChannelGateOptions,
  type ChannelHandler,
  createChannelGate,
  GATE_OPTIONS,
  requirePath,
} from './channel/options.js'
import { isTcpServer, listenTo } from './channel/tcp.js'
import { type ChannelServer, isHttpServer, listenAt, listenEverywhere } from './channel/upgrade-listener.js'
import { targetOf } from './node-http/request.js'
import { externalTarget } from './request/external-target.js'

export interface AcceptChannelsOptions extends ChannelGateOptions<IncomingMessage> {
  /** The server of `node:http` or `node:https` that clients connect to. It may have other handlers and listeners. */
  readonly server: ChannelServer
  /** The path of the URL that clients open channels at, such as `/live`. They may add a query. */
  readonly path: string
  /** Origins whose pages may connect, such as `https://app.example`. Browsers send theirs, other clients send none. */
  readonly allowedOrigins?: readonly string[]
  /**
   * What a proxy in front takes from the beginning of paths, such as `/api`: `path` is what arrives here, and the client
   * bound the whole path. Default: nothing.
   */
  readonly pathPrefix?: string
  /** The URL that the client asked for, where a proxy rewrites it in another way; as for `requireTicket`. */
  readonly externalUrl?: (req: IncomingMessage) => string
}

/** For channels over plain TCP. */
export interface AcceptTcpChannelsOptions extends ChannelGateOptions<Socket> {
  /** The server of `node:net` or `node:tls`, each connection of which is to be a channel. */
  readonly server: TcpServer
  readonly path?: never
  readonly allowedOrigins?: never
  readonly pathPrefix?: never
  readonly externalUrl?: never
}

const KNOWN: KnownOptions<AcceptChannelsOptions> = {
  server: true,
  path: true,
  allowedOrigins: true,
  pathPrefix: true,
  externalUrl: true,
  ...GATE_OPTIONS,
}

/** The channels that one `acceptChannels` has. */
export interface AcceptedChannels {
  /** How many are open. */
  readonly size: number
  /**
   * Accepts nothing more, and gives up the channels that are still open: end them before, if their clients are to know
   * that nothing is missing. Resolves when their connections are closed, which `server.close` waits for.
   */
  close(): Promise<void>
}

/**
 * Accepts channels at a path of an HTTP server, as WebSockets, or on each connection of a server of TCP. Each is opened
 * with a ticket that passes all checks of docs/protocol.md section 9. The handler gets each channel, with the ticket of
 * its client, once the client has proved that it has the channel's key. A channel ends with its tickets, and at once when
 * one of them is revoked.
 *
 * When the client has ended and what the handler returned has settled, this side is ended too. What the handler throws
 * breaks the channel.
 * @throws TypeError if an option does not exist or cannot be meant so, or if the path is taken
 */
export function acceptChannels(options: AcceptChannelsOptions, handler: ChannelHandler): AcceptedChannels
export function acceptChannels(
  options: AcceptTcpChannelsOptions,
  handler: ChannelHandler<Socket>,
): AcceptedChannels
export function acceptChannels(
  options: AcceptChannelsOptions | AcceptTcpChannelsOptions,
  handler: ChannelHandler | ChannelHandler<Socket>,
): AcceptedChannels {
  requireKnownOptions('acceptChannels', options, KNOWN)
  if (isHttpServer(options.server)) {
    return atPath(options as AcceptChannelsOptions, handler as ChannelHandler)
  }
  return onSockets(options as AcceptTcpChannelsOptions, handler as ChannelHandler<Socket>)
}

function atPath(options: AcceptChannelsOptions, handler: ChannelHandler): AcceptedChannels {
  const { server, path, allowedOrigins = [] } = options
  const acceptor = new ChannelAcceptor(createChannelGate(options, handler))
  requirePath(path)
  requireOrigins('allowedOrigins', allowedOrigins)
  const boundTarget = externalTarget(options, targetOf)
  return acceptedBy(acceptor, listenAt(server, path, { acceptor, allowedOrigins, targetOf: boundTarget }))
}

/**
 * The same at every path of an HTTP server, for what stands in front of a program and does not know its paths. The
 * handler looks at the target: it is any that a client with a ticket has bound.
 * @throws TypeError if an option does not exist or cannot be meant so, or if it is done already
 */
export function acceptChannelsEverywhere(
  options: Omit<AcceptChannelsOptions, 'path' | 'pathPrefix' | 'externalUrl' | 'allowedOrigins'>,
  handler: ChannelHandler,
): AcceptedChannels {
  requireKnownOptions('acceptChannels', options, KNOWN)
  const acceptor = new ChannelAcceptor(createChannelGate(options, handler))
  return acceptedBy(acceptor, listenEverywhere(options.server, { acceptor, allowedOrigins: [], targetOf }))
}

function onSockets(options: AcceptTcpChannelsOptions, handler: ChannelHandler<Socket>): AcceptedChannels {
  const { server } = options
  const acceptor = new ChannelAcceptor(createChannelGate(options, handler))
  if (!isTcpServer(server)) {
    throw new TypeError('server is a server of node:http, node:https, node:net or node:tls: createServer()')
  }
  for (const name of ['path', 'allowedOrigins', 'pathPrefix', 'externalUrl'] as const) {
    if (options[name] !== undefined) throw new TypeError(`${name} is of HTTP: a channel over TCP has none`)
  }
  return acceptedBy(acceptor, listenTo(server, acceptor))
}

function acceptedBy<Req>(acceptor: ChannelAcceptor<Req>, stop: () => void): AcceptedChannels {
  acceptor.begin()
  return {
    get size() {
      return acceptor.size
    },
    close: () => {
      stop()
      return acceptor.close()
    },
  }
}
