import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { countedAddress } from '../../kdc/transport/address.js'
import { type ConnectionShare, ConnectionShares } from '../../kdc/transport/connection-shares.js'
import { Handshakes } from '../../kdc/transport/handshakes.js'
import type { Listener } from '../../kdc/transport/listener.js'

/** A browser asks for a page over a handful of connections, and each answer closes its own. */
const LIMITS = { connections: 256, connectionsPerAddress: 64, connectionsPerClient: 1 } as const

/**
 * The connections to the console that have yet to be answered. Nobody is refused: the oldest one makes room, first of the
 * newcomer's address and then of the most crowded, so whoever holds as many as there are keeps no page from anybody.
 */
export class Visitors {
  readonly #shares = new ConnectionShares(LIMITS)
  readonly #shareOf = new WeakMap<Duplex, ConnectionShare>()
  readonly #handshakes = new Handshakes<ConnectionShare>()

  watch(listener: Listener, isSecure: boolean): void {
    listener.on('connection', socket => {
      const share = this.#take(socket)
      if (share === undefined) return
      if (isSecure) this.#handshakes.begin(socket, share)
      else this.#shareOf.set(socket, share)
    })
    if (!isSecure) return
    listener.on('secureConnection', (secured: TLSSocket) => {
      const share = this.#handshakes.finish(secured)
      if (share === undefined) secured.destroy()
      else this.#shareOf.set(secured, share)
    })
  }

  /** The KDC has taken the connection over, and counts it. */
  release(socket: Duplex): void {
    this.#shareOf.get(socket)?.release()
  }

  #take(socket: Socket): ConnectionShare | undefined {
    const share = this.#shares.take(countedAddress(socket.remoteAddress), () => socket.destroy())
    if (share === undefined) socket.destroy()
    else socket.once('close', () => share.release())
    return share
  }
}
