import { OrthrusError } from '../../shared/errors.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import type { Socket, SocketEvents } from '../kdc-link/socket.js'
import type { Framing } from './framing.js'
import type { ChannelStreamEvents } from './presented-channel.js'
import type { SlowableStream } from './slowable-stream.js'

export interface SocketStreamOptions {
  readonly open: (events: SocketEvents) => Socket
  readonly framing: Framing
  readonly timers: Timers
  /** How long the connection may take, milliseconds. */
  readonly timeout: number
  /** The error for a connection that failed or was closed. */
  readonly failure: (reason: string) => OrthrusError
  /** A pong came. */
  readonly heard: () => void
}

/** Opens a connection for one channel. @throws OrthrusError `unavailable` */
export function openSocketStream(
  options: SocketStreamOptions,
  events: ChannelStreamEvents,
): Promise<SlowableStream> {
  const { open, timers, timeout, failure, heard } = options
  return new Promise((resolve, reject) => {
    let stream: SocketStream | undefined
    const late = (): void => {
      reject(failure(`no answer within ${timeout} ms`))
      socket.close()
    }
    const cancel = runAfter(timers, timeout, late)
    const socket = open({
      opened: () => {
        cancel()
        stream = new SocketStream(socket, options, events)
        resolve(stream)
      },
      received: bytes => stream?.receive(bytes),
      ponged: heard,
      closed: reason => {
        cancel()
        reject(failure(reason))
        if (stream !== undefined) events.closed(failure(reason))
      },
    })
  })
}

class SocketStream implements SlowableStream {
  readonly sendParts: SlowableStream['sendParts']
  readonly #socket: Socket
  readonly #options: SocketStreamOptions
  readonly #events: ChannelStreamEvents
  /** Messages that are being handled, before more may be read. */
  #unhandled = 0
  #isOver = false

  constructor(socket: Socket, options: SocketStreamOptions, events: ChannelStreamEvents) {
    this.#socket = socket
    this.#options = options
    this.#events = events
    if (socket.sendParts === undefined) return
    this.sendParts = parts => new Promise(resolve => socket.sendParts?.(parts, resolve))
  }

  get isReading(): boolean {
    return this.#unhandled === 0
  }

  get ping(): (() => void) | undefined {
    const socket = this.#socket
    return socket.ping === undefined ? undefined : () => socket.ping?.()
  }

  send(message: Uint8Array): Promise<void> {
    return new Promise(resolve => this.#socket.send(this.#options.framing.encode(message), resolve))
  }

  end(): void {
    this.#isOver = true
    // Otherwise the end of the other side would not be read.
    this.#socket.resume?.()
    this.#socket.close()
  }

  receive(bytes: Uint8Array): void {
    const { framing, failure } = this.#options
    try {
      for (const message of framing.decode(bytes)) if (!this.#isOver) this.#handle(message)
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      this.end()
      this.#events.closed(failure(cause.reason))
    }
  }

  #handle(message: Uint8Array): void {
    const handled = this.#events.received(message)
    if (handled === undefined) return
    if (this.#unhandled++ === 0) this.#socket.pause?.()
    void handled.finally(() => {
      if (--this.#unhandled === 0 && !this.#isOver) this.#socket.resume?.()
    })
  }
}
