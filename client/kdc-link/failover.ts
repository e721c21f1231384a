import { LIMIT, SUBPROTOCOL } from '../../shared/constants.js'
import { decodeFrame, encodeFrame, ID_BYTES, ID_MAX } from '../../shared/encoding/frame.js'
import { HEADER_BYTES } from '../../shared/encoding/message.js'
import type { OrthrusError } from '../../shared/errors.js'
import { shownUrl } from '../../shared/shown-url.js'
import type { Timers } from '../../shared/timers.js'
import { unreachable } from './link-failure.js'
import type { OpenSocket, Socket } from './socket.js'

/** What comes under one id. */
export interface StreamEvents {
  received(message: Uint8Array): void
  /** The link is gone; nothing comes any more. */
  closed(cause: OrthrusError): void
}

/** One id of a link, in use until it is ended. */
export interface LinkStream {
  send(message: Uint8Array): void
  end(): void
}

export interface LinkOptions {
  readonly url: string
  readonly openSocket: OpenSocket
  readonly timers: Timers
  /** How long the opening may take, milliseconds. */
  readonly timeout: number
  /** Whether it keeps the process alive while nothing is asked over it. */
  readonly keepProcessAlive: boolean
  /** Told once, when the link is closed, whoever closed it. */
  closed(link: KdcLink): void
}

/** One WebSocket to one KDC, shared by all that is asked of it: ids, and who waits for which. */
export class KdcLink {
  /** As it is shown. */
  readonly url: string
  readonly #socket: Socket
  readonly #streams = new Map<number, StreamEvents>()
  /** Settled when the socket is open or is not going to be. @throws OrthrusError `unavailable` */
  readonly opened: Promise<void>
  readonly #settle: (failure?: OrthrusError) => void
  readonly #closed: (link: KdcLink) => void
  readonly #keepProcessAlive: boolean
  #lastId = 0
  #retired = false
  #failure: OrthrusError | undefined

  constructor({ url, openSocket, timers, timeout, keepProcessAlive, closed }: LinkOptions) {
    this.url = shownUrl(url)
    this.#closed = closed
    this.#keepProcessAlive = keepProcessAlive
    let settle: (failure?: OrthrusError) => void = () => {}
    this.opened = new Promise((resolve, reject) => {
      settle = failure => (failure === undefined ? resolve() : reject(failure))
    })
    // Who opens the link looks at `opened`; a link closed before that is no unhandled failure.
    this.opened.catch(() => {})
    const late = (): void => this.close(unreachable(url, `no answer within ${timeout} ms`))
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
        closed: reason => this.close(unreachable(url, reason)),
      },
    )
  }

  /** Whether more may be asked over it. */
  get usable(): boolean {
    return !this.#retired && this.#failure === undefined
  }

  /** @throws OrthrusError `unavailable` where the link is gone. */
  openStream(events: StreamEvents): LinkStream {
    if (this.#failure !== undefined) throw this.#failure
    const id = this.#freeId()
    this.#streams.set(id, events)
    this.#hold()
    return {
      send: message => this.#socket.send(encodeFrame({ id, message })),
      end: () => {
        this.#streams.delete(id)
        this.#hold()
        this.#closeIfDone()
      },
    }
  }

  /** Takes no new questions; it ends when the last one under way has. */
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

  /** Only what is waited for keeps the process alive. */
  #hold(): void {
    if (!this.#keepProcessAlive) this.#socket.hold?.(this.#streams.size > 0)
  }

  #closeIfDone(): void {
    if (this.#retired && this.#streams.size === 0)
      this.close(unreachable(this.url, 'the connection was given up'))
  }

  /** An id in use again would make the KDC close the connection. */
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
    // What answers nothing that is waited for came too late, or is not ours.
    this.#streams.get(frame.id)?.received(frame.message)
  }
}
