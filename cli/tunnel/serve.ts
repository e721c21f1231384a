import { connect, createServer, type Socket } from 'node:net'
import { acceptChannels } from '../../service/accept-channels.js'
import { partsOf, type Service } from '../../service/request/service.js'
import type { AcceptedTicket } from '../../service/request/ticket.js'
import { toHex } from '../../shared/bytes.js'
import type { Channel } from '../../shared/channel/channel.js'
import { codeOf } from '../../shared/folder.node.js'
import type { Logger } from '../../shared/logger.js'
import type { ClaimValue } from '../../shared/ticket/claims.js'
import { SECOND } from '../../shared/time.js'
import { runAfter } from '../../shared/timers.js'
import { Connections } from './connections.js'
import { ContinuedStream } from './continued-stream.js'
import { decodeHead, type Head } from './head.js'
import { joinSocket, PIECE_MAX } from './joined-socket.js'
import { listenOn } from './listen.js'
import { type Place, shownPlace } from './place.js'
import { proxyHeader } from './proxy-protocol.js'

/** The service's end of a tunnel: channels in, connections to a server that knows nothing of it out. */

export interface ServeTunnelOptions {
  readonly service: Service
  readonly listen: Place
  readonly to: Place
  readonly logger: Logger
  /** Clients that are let in, beside the policy of the KDC. Default: all that have a ticket. */
  readonly allow?: readonly string[]
  readonly claims?: Readonly<Record<string, ClaimValue>>
  /** Tells the server by the PROXY protocol who its client is. */
  readonly proxyProtocol?: boolean
  /** Default 10,000, of which a client may have 1,000. */
  readonly maxConnections?: number
  readonly maxConnectionsPerClient?: number
}

/** An end of a tunnel that runs. */
export interface Tunnel {
  /** Where it listens. */
  readonly place: Place
  /** How many connections it carries. */
  readonly size: number
  /**
   * Takes no more connections, lets those that are open end, and gives up what is open after that many milliseconds.
   * @returns how many were given up
   */
  close(patience: number): Promise<number>
}

/** How long the server behind may take to accept a connection, and a client to say what its channel is for, ms. */
const PATIENCE = 10 * SECOND

/** @throws OrthrusError `unavailable` if it cannot listen there. @throws TypeError */
export async function serveTunnel(options: ServeTunnelOptions): Promise<Tunnel> {
  const { service, listen, allow, claims, maxConnections = 10_000, maxConnectionsPerClient = 1_000 } = options
  const server = createServer()
  const connections = new Connections()
  const end = new ServiceEnd(options, connections)
  const accepted = acceptChannels(
    {
      service,
      server,
      maxMessage: PIECE_MAX,
      ...(allow === undefined ? {} : { clients: allow }),
      ...(claims === undefined ? {} : { claims }),
      maxChannels: maxConnections,
      maxChannelsPerClient: maxConnectionsPerClient,
    },
    (channel, ticket, socket) => end.take(channel, ticket, socket),
  )
  const place = await listenOn(server, listen).catch(async (cause: unknown) => {
    await accepted.close()
    throw cause
  })
  return {
    place,
    get size() {
      return connections.size
    },
    close: async patience => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      const givenUp = await connections.drain(partsOf(service).timers, patience)
      await accepted.close()
      await closed
      return givenUp
    },
  }
}

class ServiceEnd {
  readonly #options: ServeTunnelOptions
  readonly #connections: Connections
  /** By client and id: neither a client nor a delegate goes on with what another one began. */
  readonly #continuable = new Map<string, ContinuedStream>()

  constructor(options: ServeTunnelOptions, connections: Connections) {
    this.#options = options
    this.#connections = connections
  }

  /** One channel. Resolves when it has served its purpose. */
  async take(channel: Channel, ticket: AcceptedTicket, socket: Socket): Promise<void> {
    const head = await this.#headOf(channel)
    if (head === undefined) channel.abort('it does not begin as a tunnel does')
    else if (head.kind === 'continues') this.#continue(channel, ticket, head.id)
    else {
      const stream = new ContinuedStream(channel)
      // Of the channels that it has by then: the first one may long have ended.
      const giveUp = (): void => stream.abort('the tunnel ends')
      await this.#connections.during(giveUp, this.#carry(stream, ticket, socket, head))
    }
    await channel.closed
  }

  async #headOf(channel: Channel): Promise<Head | undefined> {
    const { timers } = partsOf(this.#options.service)
    const cancel = runAfter(timers, PATIENCE, () => channel.abort('it did not say what it is for'))
    try {
      const message = await channel.receive()
      return message && decodeHead(message)
    } catch {
      return undefined
    } finally {
      cancel()
    }
  }

  /** Only who began a connection goes on with it. */
  #continue(channel: Channel, ticket: AcceptedTicket, id: Uint8Array): void {
    if (this.#continuable.get(nameOf(ticket, id))?.continueOn(channel) === true) {
      this.#options.logger.info(whoOf(ticket), 'a connection goes on under a fresh ticket')
      return
    }
    this.#options.logger.warn(
      whoOf(ticket),
      'a channel was to continue a connection that its client does not have',
    )
    channel.abort('there is no such connection')
  }

  async #carry(stream: ContinuedStream, ticket: AcceptedTicket, socket: Socket, head: Head): Promise<void> {
    const { to, logger } = this.#options
    const { clock } = partsOf(this.#options.service)
    const forget = this.#remember(stream, ticket, head)
    const who = { ...whoOf(ticket), from: addressOf(socket), to: shownPlace(to) }
    const begin = clock.monotonic()
    try {
      const upstream = await this.#connect(stream, ticket, socket)
      if (upstream === undefined) return
      logger.info(who, 'a connection was opened')
      const joined = await joinSocket(upstream, stream)
      const milliseconds = Math.round(clock.monotonic() - begin)
      logger.info({ ...who, milliseconds, ...joined }, 'a connection ended')
    } finally {
      forget()
    }
  }

  #remember(stream: ContinuedStream, ticket: AcceptedTicket, { id }: Head): () => void {
    if (id === undefined) return () => {}
    const name = nameOf(ticket, id)
    if (this.#continuable.has(name)) stream.abort('its id is in use')
    else this.#continuable.set(name, stream)
    return () => {
      if (this.#continuable.get(name) === stream) this.#continuable.delete(name)
    }
  }

  /** @returns `undefined`, with the stream given up, if the server cannot be reached, or the client is gone before it is */
  async #connect(
    stream: ContinuedStream,
    ticket: AcceptedTicket,
    socket: Socket,
  ): Promise<Socket | undefined> {
    const { to, logger, service, proxyProtocol } = this.#options
    const upstream = connect({ ...to, allowHalfOpen: true, noDelay: true })
    const failure = await new Promise<string | undefined>(resolve => {
      const cancel = runAfter(partsOf(service).timers, PATIENCE, () => resolve('ETIMEDOUT'))
      upstream.once('connect', () => resolve(undefined))
      upstream.once('error', cause => resolve(codeOf(cause)))
      void stream.closed.then(() => resolve('its client is gone'))
      upstream.once('close', cancel)
      upstream.once('connect', cancel)
    })
    if (failure === undefined) {
      if (proxyProtocol === true) upstream.write(proxyHeader(proxied(ticket, socket)))
      return upstream
    }
    upstream.on('error', () => {})
    upstream.destroy()
    logger.warn(
      { ...whoOf(ticket), to: shownPlace(to), reason: failure },
      'the server behind cannot be reached',
    )
    stream.abort('the server behind cannot be reached')
    return undefined
  }
}

/** Who it is for the log. */
function whoOf({ client, via, ticketId }: AcceptedTicket): object {
  return { client, ...(via === undefined ? {} : { via }), ticketId }
}

function nameOf({ client, via }: AcceptedTicket, id: Uint8Array): string {
  return `${client} ${via ?? ''} ${toHex(id)}`
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return 'a Unix socket'
  return shownPlace({ host: remoteAddress, port: remotePort })
}

function proxied({ client, via }: AcceptedTicket, socket: Socket) {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return {
    client,
    via,
    from: { address: remoteAddress, port: remotePort },
    to: { address: localAddress, port: localPort },
  }
}
