import type { Socket } from 'node:net'
import { concatBytes } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { createSharedCacheMac, isSharedCacheMac } from '../../shared/crypto/lock.js'
import { decode, encode, type Value } from '../../shared/encoding/encoding.js'
import { malformed } from '../../shared/errors.js'

/**
 * What two processes of one service say to each other over a socket of their machine: lists in frames, each with a MAC
 * under the service's key over both nonces, the direction, and the frame. Anybody on the machine can reach the socket, or
 * hold its name; nobody who lacks the key is believed, and nothing said on one connection can be said again on another.
 */

/** The longest frame that is read, bytes: a request names a principal. */
const FRAME_MAX = 2048
const LENGTH_BYTES = 4

export type Direction = 'to-cache' | 'from-cache'

/** The frames that come over a socket. Ends the socket if they are too long, or if `take` throws. */
export function readFrames(socket: Socket, take: (frame: Uint8Array) => void): void {
  let pending = Buffer.alloc(0)
  socket.on('data', piece => {
    pending = pending.length === 0 ? piece : Buffer.concat([pending, piece])
    try {
      while (pending.length >= LENGTH_BYTES) {
        const length = pending.readUInt32BE(0)
        if (length > FRAME_MAX) throw malformed('a frame is too long')
        if (pending.length < LENGTH_BYTES + length) return
        const frame = Uint8Array.prototype.slice.call(pending, LENGTH_BYTES, LENGTH_BYTES + length)
        pending = pending.subarray(LENGTH_BYTES + length)
        take(frame)
      }
    } catch {
      socket.destroy()
    }
  })
}

export function writeFrame(socket: Socket, ...parts: Uint8Array[]): void {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(parts.reduce((sum, part) => sum + part.length, 0))
  socket.write(Buffer.concat([length, ...parts]))
}

/** What both ends of a connection know: the key, and what each of them drew for this connection alone. */
export class CacheSeal {
  readonly #key: LongTermKey
  readonly #nonces: Uint8Array

  constructor(key: LongTermKey, cacheNonce: Uint8Array, peerNonce: Uint8Array) {
    this.#key = key
    this.#nonces = concatBytes(cacheNonce, peerNonce).slice()
  }

  write(socket: Socket, direction: Direction, list: readonly Value[]): void {
    const body = encode(list)
    writeFrame(socket, body, createSharedCacheMac(this.#key, this.#nonces, direction, body))
  }

  /** @throws OrthrusError `malformed` if it is not of the other end, or of this end */
  open(direction: Direction, frame: Uint8Array): Value[] {
    const at = Math.max(0, frame.length - SIZE.MAC)
    const body = frame.subarray(0, at)
    if (!isSharedCacheMac(this.#key, frame.subarray(at), this.#nonces, direction, body)) {
      throw malformed('it is not from a process of this service')
    }
    return decode(body)
  }
}
