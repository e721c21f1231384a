import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Channel } from '../../shared/channel/channel.js'
import { PAYLOAD_BYTES } from '../../shared/channel/record.js'
import { Pieces } from './pieces.js'

/**
 * A socket joined to a channel: the bytes of the one go through the other, in both directions, as they come. What
 * happens to the one happens to the other: an end of one direction (half-close), a slow reader, a reset. Neither is given
 * a time limit here, so what is idle stays open for as long as the channel does.
 */

/** What a socket is joined to. */
export type ByteChannel = Pick<Channel, 'send' | 'receive' | 'end' | 'abort' | 'closed'>

/** What went through, once both are over. */
export interface Joined {
  /** Bytes that the socket gave, and bytes that it was given. */
  readonly sent: number
  readonly received: number
  /** Why it was over before both sides had ended; `undefined` if both had. */
  readonly reason: string | undefined
}

/** The largest message that one sends: a channel that is only joined to sockets needs no larger `maxMessage`. */
export const PIECE_MAX = PAYLOAD_BYTES

/** Tuning: how much may be on the way in one direction before more is read, bytes. */
const UNDER_WAY_MAX = 256 * 1024

/**
 * Joins them. The socket must have `allowHalfOpen`, and nobody else may read from it or write to it; what was read
 * already is put back by `socket.unshift`.
 * @returns when both are over. Never rejects
 */
export async function joinSocket(socket: Duplex, channel: ByteChannel): Promise<Joined> {
  const joint = new Joint(socket, channel)
  const closed = new Promise<void>(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
  joint.begin()
  void joint.receive()
  const cause = await channel.closed
  if (cause !== undefined) joint.lose(cause.reason)
  await closed
  const { sent, received, reason } = joint
  return { sent, received, reason }
}

class Joint {
  sent = 0
  received = 0
  reason: string | undefined
  readonly #socket: Duplex
  readonly #channel: ByteChannel
  #underWay = 0
  #hasEnded = false
  #onDrain: (() => void) | undefined
  readonly #pieces = new Pieces(piece => void this.#sendPiece(piece))

  constructor(socket: Duplex, channel: ByteChannel) {
    this.#socket = socket
    this.#channel = channel
  }

  /** From the socket to the channel. */
  begin(): void {
    const socket = this.#socket
    socket.on('error', (error: Error & { readonly code?: string }) => {
      this.lose(`its connection failed: ${error.code ?? error.message}`)
    })
    socket.on('close', () => {
      this.#onDrain?.()
      if (!(this.#hasEnded && socket.writableFinished)) this.lose('its connection was cut off')
    })
    socket.on('drain', () => this.#onDrain?.())
    socket.on('end', () => {
      this.#hasEnded = true
      this.#pieces.flush()
      void this.#channel.end()
    })
    socket.on('data', (bytes: Uint8Array) => {
      this.sent += bytes.length
      this.#pieces.add(bytes)
    })
    if (socket.destroyed) this.lose('its connection was cut off')
  }

  /** From the channel to the socket. */
  async receive(): Promise<void> {
    const socket = this.#socket
    try {
      for (;;) {
        const bytes = await this.#channel.receive()
        if (bytes === undefined) break
        this.received += bytes.length
        socket.write(bytes)
        if (socket.writableLength > UNDER_WAY_MAX) await this.#drained()
      }
      socket.end()
    } catch {
      // `closed` says why.
    }
  }

  /** One of the two is lost, so the other one is too. Does nothing where both had ended. */
  lose(reason: string): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.#channel.abort(reason)
    reset(this.#socket)
  }

  async #sendPiece(piece: Uint8Array): Promise<void> {
    this.#underWay += piece.length
    if (this.#underWay > UNDER_WAY_MAX) this.#socket.pause()
    try {
      await this.#channel.send(piece)
    } catch {
      // `closed` says why.
      return
    }
    this.#underWay -= piece.length
    if (this.#underWay <= UNDER_WAY_MAX && this.#socket.isPaused()) this.#socket.resume()
  }

  async #drained(): Promise<void> {
    if (this.#socket.destroyed) return
    await new Promise<void>(resolve => {
      this.#onDrain = resolve
    })
    this.#onDrain = undefined
  }
}

/** Tells the other side that something is missing, as far as its transport can: by a reset over TCP. */
function reset(socket: Duplex): void {
  const isTcp = socket instanceof Socket && !('encrypted' in socket) && socket.remoteFamily !== undefined
  if (isTcp && !socket.destroyed) socket.resetAndDestroy()
  else socket.destroy()
}
