import { createServer, type Socket } from 'node:net'
import type { Realm } from '../../client/realm.js'
import { partsOf } from '../../client/realm.js'
import type { Channel } from '../../shared/channel/channel.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import { sleep, type Timers } from '../../shared/timers.js'
import { Connections } from './connections.js'
import { ContinuedStream } from './continued-stream.js'
import { encodeHead, ID_BYTES } from './head.js'
import { type ByteChannel, joinSocket, PIECE_MAX } from './joined-socket.js'
import { listenOn } from './listen.js'
import { type Place, shownPlace } from './place.js'
import { renewUntilOver } from './renewal.js'
import type { Tunnel } from './serve.js'
import { Turns } from './turns.js'

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
}

/** A service lets 16 channels of a ticket wait for their first record (docs/protocol.md section 9). */
const OPENING_MAX = 8

/** How often an opening is tried again that came when too many others did, and how long is waited before, ms. */
const CROWDED = { TRIES: 5, PAUSE: 0.1 * SECOND } as const

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
  readonly #turns = new Turns(OPENING_MAX)

  constructor(options: ConnectTunnelOptions) {
    this.#options = options
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
      const stream = await this.#open(AbortSignal.any([signal, closing(socket)]))
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

  async #open(signal: AbortSignal): Promise<ByteChannel> {
    const { renew = false } = this.#options
    const channel = await this.#channel(signal)
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
        const next = await this.#channel(signal)
        void next.send(encodeHead({ kind: 'continues', id }))
        return next
      },
    })
    return stream
  }

  /** Few at once, since a service lets few wait. */
  #channel(signal: AbortSignal): Promise<Channel> {
    return this.#turns.run(async () => {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#options.realm.openChannel(this.#url, {
            service: this.#options.service,
            signal,
            maxMessage: PIECE_MAX,
          })
        } catch (cause) {
          const isCrowded = cause instanceof OrthrusError && cause.code === 'rate_limited'
          if (!isCrowded || tries >= CROWDED.TRIES) throw cause
          this.#options.logger.debug({ tries }, 'an opening came when too many others did')
          await sleep(this.#options.timers, CROWDED.PAUSE * tries, signal)
        }
      }
    })
  }
}

/** Aborts when the program is gone. */
function closing(socket: Socket): AbortSignal {
  const gone = new AbortController()
  socket.once('close', () => gone.abort(new Error('the program closed its connection')))
  return gone.signal
}
