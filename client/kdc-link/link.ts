import { LIMIT, SUBPROTOCOL } from '../../shared/constants.js'
import { decodeFrame, encodeFrame, ID_BYTES, ID_MAX } from '../../shared/encoding/frame.js'
import { HEADER_BYTES } from '../../shared/encoding/message.js'
import type { OrthrusError } from '../../shared/errors.js'
import { shownUrl } from '../../shared/shown-url.js'
import type { Timers } from '../../shared/timers.js'
import { silent, unreachable } from './link-failure.js'
import type { OpenSocket, Socket } from './socket.js'

/** The events of one id. */
export interface StreamEvents {
  received(message: Uint8Array): void
  /** The link is closed, and no further message will come. */
  closed(cause: OrthrusError): void
}

/** One id of a link, in use until `end` is called. */
export interface LinkStream {
  send(message: Uint8Array): void
  end(): void
}

export type Sign = 'answer' | 'pong'

export interface LinkOptions {
  readonly url: string
  readonly openSocket: OpenSocket
  readonly timers: Timers
  /** How long opening the link may take, milliseconds. */
  readonly timeout: number
  /** Whether an idle link keeps the process alive. */
  readonly keepProcessAlive: boolean
  /** Called for each sign of life: an answer, or only a pong or a frame that nobody waits for. */
  heard(link: KdcLink, sign: Sign): void
  /** Called once, when either side has closed the link. */
  closed(link: KdcLink): void
}

/** One WebSocket to one KDC, shared by all requests to it. Each request has its own id. */
export class KdcLink {
  /** The URL without user name and password, for messages. */
  readonly url: string
  readonly #socket: Socket
  readonly #streams = new Map<number, StreamEvents>()
  /** The ids of streams that do not keep the process alive. */
  readonly #background = new Set<number>()
  /** Resolves when the socket is open. @throws OrthrusError `unavailable` */
  readonly opened: Promise<void>
  readonly #settle: (failure?: OrthrusError) => void
  readonly #heard: (link: KdcLink, sign: Sign) => void
  readonly #closed: (link: KdcLink) => void
  readonly #keepProcessAlive: boolean
  #lastId = 0
  #retired = false
  #failure: OrthrusError | undefined

  constructor({ url, openSocket, timers, timeout, keepProcessAlive, heard, closed }: LinkOptions) {
    this.url = shownUrl(url)
    this.#heard = heard
    this.#closed = closed
    this.#keepProcessAlive = keepProcessAlive
    let settle: (failure?: OrthrusError) => void = () => {}
    this.opened = new Promise((resolve, reject) => {
      settle = failure => (failure === undefined ? resolve() : reject(failure))
    })
    // Without a handler, a link that is closed before anybody awaits `opened` would be an unhandled rejection.
    this.opened.catch(() => {})
    const late = (): void => this.close(silent(url, timeout))
    const timer = timers.setTimeout(late, timeout)
    this.#settle = failure => {
      timers.clearTimeout(timer)
      settle(failure)
    }
    this.#socket = openSocket(
      { url, protocol: SUBPROTOCOL, maxBytes: ID_BYTES + LIMIT.MESSAGE_BYTES },
      {
        opened: () => {
          this.#hold()
          this.#settle()
        },
        received: frame => this.#receive(frame),
        ponged: () => this.#heard(this, 'pong'),
        closed: reason => this.close(unreachable(url, reason)),
      },
    )
    // Whoever waits for the link keeps the process alive, and not the link.
    this.#hold()
  }

  /** Why it is closed. */
  get failure(): OrthrusError | undefined {
    return this.#failure
  }

  /** Whether the platform can ask the other side for a sign of life. */
  get canPing(): boolean {
    return this.#socket.ping !== undefined
  }

  ping(): void {
    this.#socket.ping?.()
  }

  /** Whether new requests may use this link. */
  get usable(): boolean {
    return !this.#retired && this.#failure === undefined
  }

  /**
   * @param isInBackground whether the process may end while the stream is open
   * @throws OrthrusError `unavailable` if the link is closed
   */
  openStream(events: StreamEvents, isInBackground = false): LinkStream {
    if (this.#failure !== undefined) throw this.#failure
    const id = this.#freeId()
    this.#streams.set(id, events)
    if (isInBackground) this.#background.add(id)
    this.#hold()
    return {
      send: message => this.#socket.send(encodeFrame({ id, message })),
      end: () => {
        this.#streams.delete(id)
        this.#background.delete(id)
        this.#hold()
        this.#closeIfDone()
      },
    }
  }

  /** Accepts no new requests, and closes the link when the last pending one has ended. */
  retire(): void {
    this.#retired = true
    this.#closeIfDone()
  }

  close(cause: OrthrusError): void {
    if (this.#failure !== undefined) return
    this.#failure = cause
    this.#closed(this)
    this.#settle(cause)
    this.#socket?.close()
    const waiting = [...this.#streams.values()]
    this.#streams.clear()
    for (const events of waiting) events.closed(cause)
  }

  /** Lets only pending requests keep the process alive. */
  #hold(): void {
    if (!this.#keepProcessAlive) this.#socket.hold?.(this.#streams.size > this.#background.size)
  }

  #closeIfDone(): void {
    if (this.#retired && this.#streams.size === 0)
      this.close(unreachable(this.url, 'the connection was given up'))
  }

  /** An unused id, because the KDC closes the connection if an id is used twice at the same time. */
  #freeId(): number {
    do this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1
    while (this.#streams.has(this.#lastId))
    return this.#lastId
  }

  #receive(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return
    const frame = decodeFrame(bytes)
    if (frame === undefined || frame.message.length < HEADER_BYTES) {
      this.close(unreachable(this.url, 'it sent a cut-off frame'))
      return
    }
    // A message under an unknown id came too late or was never asked for, and is ignored.
    const stream = this.#streams.get(frame.id)
    this.#heard(this, stream === undefined ? 'pong' : 'answer')
    stream?.received(frame.message)
  }
}
