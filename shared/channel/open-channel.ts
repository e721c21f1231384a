import { WINDOW } from '../constants.js'
import { OrthrusError, type WireCode } from '../errors.js'
import type { Timers } from '../timers.js'
import type { Channel } from './channel.js'
import { Heartbeat } from './heartbeat.js'
import { bytesOf, ownBytes } from './message-bytes.js'
import { MessageQueue } from './message-queue.js'

/** What carries an open channel, on either side. */
export interface ChannelPort {
  /** Seals one message and sends its records. Resolves when the operating system has them, or never will. */
  send(message: Uint8Array): Promise<void>
  sendEnd(): Promise<void>
  /** Sends a record without a message. */
  sendNothing(): void
  /** Asks the transport of the other side for a sign of life. Undefined if it cannot. */
  readonly ping: (() => void) | undefined
  /** Whether records are being read at this moment. */
  readonly isReading: boolean
  /** Gives the channel up, or ends its connection after both sides have ended. */
  close(cause: OrthrusError | undefined): void
}

export interface OpenChannelOptions {
  readonly port: ChannelPort
  /** The name of the other side in error messages. */
  readonly peer: string
  /** Milliseconds. */
  readonly endTime: number
  /** The time by which it ends, milliseconds. */
  readonly endClock: () => number
  readonly timers: Timers
  /** How many bytes may wait in each direction: to be sent, or to be taken. */
  readonly maxBuffered: number
  /** Called once, when it is over. */
  over(cause: OrthrusError | undefined): void
}

/** Either side of a channel that is open: messages, both ends, liveness and the end time. */
export class OpenChannel implements Channel {
  readonly endTime: number
  readonly closed: Promise<OrthrusError | undefined>
  readonly #options: OpenChannelOptions
  readonly #received: MessageQueue
  #heartbeat: Heartbeat | undefined
  readonly #settle: (cause: OrthrusError | undefined) => void
  #unsent = 0
  #hasEnded = false
  /** All that this side sent, its end included, is with the operating system. */
  #hasSentEnd = false
  #hasPeerEnded = false
  #isOver = false
  #cause: OrthrusError | undefined

  constructor(options: OpenChannelOptions) {
    this.#options = options
    this.endTime = options.endTime
    this.#received = new MessageQueue(options.maxBuffered)
    let settle: (cause: OrthrusError | undefined) => void = () => {}
    this.closed = new Promise(resolve => {
      settle = resolve
    })
    this.#settle = settle
  }

  /** The other side has the channel's key: from now on each side hears the other. */
  begin(): void {
    if (this.#isOver) return
    const { port, timers } = this.#options
    this.#heartbeat = new Heartbeat({
      timers,
      goesOn: () => {
        this.look()
        return !this.#isOver
      },
      isReading: () => port.isReading,
      hasEnded: () => this.#hasEnded,
      hasPeerEnded: () => this.#hasPeerEnded,
      sendNothing: () => port.sendNothing(),
      ping: () => port.ping,
      silent: () => this.abort(`nothing was heard for ${WINDOW.CHANNEL_SILENCE / 1_000} s`),
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  send(message: Uint8Array | string): Promise<void> {
    return handled(this.#send(message))
  }

  async receive(): Promise<Uint8Array | undefined> {
    this.look()
    return this.#received.take()
  }

  end(): Promise<void> {
    return handled(this.#end())
  }

  abort(reason = 'it was aborted'): void {
    this.break(this.#broken(reason))
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: async () => {
        const value = await this.receive()
        return value === undefined ? { done: true, value } : { done: false, value }
      },
      return: async () => ({ done: true, value: undefined }),
    }
  }

  /** A message came. @returns what resolves when there is room for the next one, unless there is now */
  take(message: Uint8Array): Promise<void> | undefined {
    this.look()
    if (this.#isOver) return undefined
    if (!this.#received.hasNoRoomFor(message)) return this.#received.add(ownBytes(message))
    this.abort(`more than ${this.#options.maxBuffered} bytes of messages wait to be taken`)
    return undefined
  }

  /** Any record came, or an answer to a ping. */
  heard(): void {
    this.#heartbeat?.heard()
  }

  /** The other side sends no more. */
  peerEnded(): void {
    this.#hasPeerEnded = true
    this.#received.end(undefined)
    this.#closeIfDone()
  }

  /** Ends the channel if its time has come, whatever its timer does: a machine may have slept. */
  look(): void {
    const { endClock, endTime, peer } = this.#options
    if (this.#isOver || endClock() < endTime) return
    this.break(
      new OrthrusError(
        'ticket_expired',
        `the channel to ${peer} is over: its ticket, or a caveat of it, ended`,
        {
          final: true,
          hint: 'open a new one, which takes a fresh ticket',
        },
      ),
    )
  }

  /** The channel is over, and nothing more is handed on: what has been taken may be all there was, or not. */
  break(cause: OrthrusError): void {
    if (!this.#isOver) this.#finish(cause)
  }

  async #send(message: Uint8Array | string): Promise<void> {
    const bytes = bytesOf(message)
    this.look()
    if (this.#cause !== undefined) throw this.#cause
    if (this.#hasEnded) throw new TypeError('this side of the channel has ended: nothing more can be sent')
    const { maxBuffered, port } = this.#options
    this.#unsent += bytes.length
    if (this.#unsent > maxBuffered) {
      const cause = this.#broken(`its other side reads too slowly: more than ${maxBuffered} bytes wait`)
      this.break(cause)
      throw cause
    }
    this.#heartbeat?.sent()
    await port.send(bytes)
    this.#unsent -= bytes.length
    this.#heartbeat?.heard()
    if (this.#cause !== undefined) throw this.#cause
  }

  async #end(): Promise<void> {
    if (this.#cause !== undefined) throw this.#cause
    if (this.#hasEnded) return
    this.#hasEnded = true
    await this.#options.port.sendEnd()
    this.#hasSentEnd = true
    this.#closeIfDone()
  }

  #closeIfDone(): void {
    if (this.#hasSentEnd && this.#hasPeerEnded && !this.#isOver) this.#finish(undefined)
  }

  #finish(cause: OrthrusError | undefined): void {
    const { port, over } = this.#options
    this.#isOver = true
    this.#cause = cause
    this.#heartbeat?.stop()
    if (cause !== undefined) this.#received.end(cause)
    over(cause)
    port.close(cause)
    this.#settle(cause)
  }

  #broken(reason: string): OrthrusError {
    return channelBroken(this.#options.peer, reason)
  }
}

/** @param claimed the code that the other side gave without a proof */
export function channelBroken(peer: string, reason: string, claimed?: WireCode): OrthrusError {
  return new OrthrusError('channel_broken', `the channel to ${peer} is over: ${reason}`, {
    hint: 'open a new one',
    ...(claimed === undefined ? {} : { claimed }),
  })
}

/** The same promise, whose rejection does not end the process if nobody looks at it. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
