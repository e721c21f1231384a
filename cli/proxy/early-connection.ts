import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Cancel, runAfter, type Timers } from '../../shared/timers.js'
import type { HttpPlace } from './place.js'

/**
 * A connection that is opened while the ticket for its first request is still awaited. Nothing is sent over it until that
 * request takes it, but for the handshake of TLS.
 */
export class EarlyConnection {
  readonly #cancel: Cancel
  #socket: Socket | undefined

  /** @param within how long it waits for a request, milliseconds; then it is closed: servers close theirs */
  constructor(place: HttpPlace, timers: Timers, within: number) {
    this.#socket = connectionTo(place)
    // Whoever sends a request meets the failure again, and tells it.
    this.#socket.on('error', ignored)
    this.#cancel = runAfter(timers, within, () => this.close())
  }

  /** @returns undefined if it was taken or closed, or came to nothing */
  take(): Socket | undefined {
    const socket = this.#socket
    if (socket === undefined) return undefined
    this.#forget()
    socket.off('error', ignored)
    if (socket.readable && socket.writable) return socket
    socket.on('error', ignored).destroy()
    return undefined
  }

  /** Does nothing to one that was taken. */
  close(): void {
    this.#socket?.destroy()
    this.#forget()
  }

  #forget(): void {
    this.#cancel()
    this.#socket = undefined
  }
}

/** @param allowHalfOpen whether its directions end one by one */
export function connectionTo({ secure, place }: HttpPlace, allowHalfOpen = false): Socket {
  const common = { ...place, allowHalfOpen, noDelay: true }
  if (!secure) return connect(common)
  const named = 'host' in place && isIP(place.host) === 0 ? { servername: place.host } : {}
  return connectTls({ ...common, ...named, ALPNProtocols: ['http/1.1'] })
}

function ignored(): void {}
