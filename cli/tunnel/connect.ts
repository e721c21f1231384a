import { createServer, type Socket } from 'node:net'
import type { Realm } from '../../client/realm.js'
import { partsOf } from '../../client/realm.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { Timers } from '../../shared/timers.js'
import { Connections } from './connections.js'
import { ContinuedStream } from './continued-stream.js'
import { encodeHead, ID_BYTES } from './head.js'
import { type ByteChannel, joinSocket } from './joined-socket.js'
import { listenOn } from './listen.js'
import { Openings } from './openings.js'
import { type Place, shownPlace } from './place.js'
import { renewUntilOver } from './renewal.js'
import type { Tunnel } from './serve.js'
import type { UserRule } from './user-rule.js'

/** The client's end of a tunnel: connections of programs that know nothing of it in, channels out. */

export interface ConnectTunnelOptions {
  readonly realm: Realm
  readonly service: string
  readonly listen: Place
  readonly to: Place
  readonly logger: Logger
  readonly timers: Timers
  /** Goes on with a connection under a fresh ticket, where its ticket would end it. */
  readonly renew?: boolean
  readonly maxConnections?: number
  /** Which users of this machine may use it. Default: all that reach it. */
  readonly rule?: UserRule | undefined
}

/** @throws OrthrusError `unavailable` if it cannot listen there */
export async function connectTunnel(options: ConnectTunnelOptions): Promise<Tunnel> {
  const { listen, timers, maxConnections } = options
  const connections = new Connections()
  const end = new ClientEnd(options)
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    const givingUp = new AbortController()
    void connections.during(() => givingUp.abort(), end.carry(socket, givingUp.signal))
  })
  if (maxConnections !== undefined) server.maxConnections = maxConnections
  const place = await listenOn(server, listen)
  return {
    place,
    get size() {
      return connections.size
    },
    close: async patience => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      const givenUp = await connections.drain(timers, patience)
      await closed
      return givenUp
    },
  }
}

class ClientEnd {
  readonly #options: ConnectTunnelOptions
  readonly #url: string
  readonly #openings: Openings

  constructor(options: ConnectTunnelOptions) {
    this.#options = options
    this.#openings = new Openings(options)
    const { to } = options
    this.#url = 'path' in to ? `unix:${encodeURI(to.path)}` : `tcp://${shownPlace(to)}`
  }

  /** One connection. Resolves when it is over. Never rejects. */
  async carry(socket: Socket, signal: AbortSignal): Promise<void> {
    const { service, to, logger } = this.#options
    const facts = { service, to: shownPlace(to) }
    // What happens to it is seen when it is joined.
    socket.on('error', () => {})
    try {
      await this.#requireUser(socket)
      const wanted = (): Promise<void> => this.#requireUser(socket)
      const stream = await this.#open(AbortSignal.any([signal, closing(socket)]), wanted)
      const giveUp = (): void => stream.abort('the tunnel ends')
      signal.addEventListener('abort', giveUp, { once: true })
      logger.info(facts, 'a connection was opened')
      const joined = await joinSocket(socket, stream)
      logger.info({ ...facts, ...joined }, 'a connection ended')
    } catch (err) {
      logger.warn({ ...facts, err }, 'a connection could not be opened')
      if (socket.remoteFamily === undefined) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  /**
   * Whose it is is looked up at once, and where it had to wait once more: of a program that has gone nobody can tell.
   * @throws OrthrusError `not_authorized`
   */
  async #requireUser(socket: Socket): Promise<void> {
    const fault = await this.#options.rule?.(socket)
    if (fault !== undefined) throw new OrthrusError('not_authorized', fault, { final: true })
  }

  async #open(signal: AbortSignal, requireWanted: () => Promise<void>): Promise<ByteChannel> {
    const { renew = false } = this.#options
    const channel = await this.#openings.open(this.#url, signal, requireWanted)
    if (!renew) {
      void channel.send(encodeHead({ kind: 'begins', id: undefined }))
      return channel
    }
    const id = systemRandom(ID_BYTES)
    void channel.send(encodeHead({ kind: 'begins', id }))
    const stream = new ContinuedStream(channel)
    const { realm, service, timers, logger } = this.#options
    const { now } = partsOf(realm)
    void renewUntilOver(stream, {
      timers,
      now,
      logger,
      ticketEnd: async () => (await realm.getServiceTicket(service)).endTime,
      open: async () => {
        const next = await this.#openings.open(this.#url, signal)
        void next.send(encodeHead({ kind: 'continues', id }))
        return next
      },
    })
    return stream
  }
}

/** Aborts when the program is gone. */
function closing(socket: Socket): AbortSignal {
  const gone = new AbortController()
  socket.once('close', () => gone.abort(new Error('the program closed its connection')))
  return gone.signal
}
