import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import type { AcceptedChannel } from '../../shared/channel/accepted-channel.js'
import { type MessageType, TYPE, VERSION } from '../../shared/constants.js'
import { codeOfAnswer } from '../../shared/encoding/error.js'
import { decodeFrame, encodeFrame, type Frame } from '../../shared/encoding/frame.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { ChannelOpener } from '../channel/channel-opener.js'
import { answerUnproved } from '../exchange/answer.js'
import type { Dispatch } from '../exchange/dispatch.js'
import type { Limits } from '../limits/defaults.js'
import type { ExchangeContext } from '../realm/context.js'
import { describeFailure } from '../report/failure.js'
import type { MeasuredExchange } from '../report/measures.js'
import { Liveness } from './liveness.js'

/** Reasons for closing a WebSocket (RFC 6455 section 7.4.1). */
const CLOSE = { GOING_AWAY: 1001, PROTOCOL_ERROR: 1002, UNSUPPORTED_DATA: 1003, POLICY: 1008 } as const

/** What a connection is made of. */
export interface ConnectionParts {
  readonly socket: WebSocket
  /** What carries the WebSocket. */
  readonly stream: Duplex
  readonly address: string
  readonly context: ExchangeContext
  readonly dispatch: Dispatch
  readonly opener: ChannelOpener
  readonly limits: Limits
  /** Told when somebody has proved a key over the connection. */
  readonly onProved: (client: Principal) => void
  /** Called once, when the socket has closed. */
  readonly onClosed: () => void
}

/**
 * One WebSocket: frames in and out, by their ids (docs/protocol.md section 3). Each request takes one of a few places
 * until its answer is with the operating system. While no place is free, nothing more is read, so a peer that floods or
 * does not read its answers only holds up itself.
 */
export class Connection {
  readonly #options: ConnectionParts
  readonly #requests = new Set<number>()
  readonly #channels = new Map<number, AcceptedChannel>()
  /** Frames that the socket had already read when reading stopped: at most one piece of its buffer. */
  readonly #unread: Frame[] = []
  /** When each of them was received, by the monotonic clock; 0 if nobody measures. */
  readonly #unreadSince: number[] = []
  #places: number
  #closing = false
  readonly #liveness: Liveness
  #corked = false
  /** Channels that are being opened. */
  #openings = 0
  #onDrained: (() => void) | undefined

  constructor(options: ConnectionParts) {
    this.#options = options
    this.#places = options.limits.concurrency
    const { socket } = options
    this.#liveness = new Liveness(socket, options.limits.idle, options.context.realm.time)
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    socket.on('pong', () => this.#liveness.heard())
    socket.on('error', cause =>
      options.context.report.tell({
        kind: 'connection_failed',
        address: options.address,
        failure: describeFailure(cause),
      }),
    )
    socket.on('close', () => this.#closed())
  }

  /** Called every `limits.ping` milliseconds, or less often at first. Cuts a peer that is gone or does not read, and closes an idle one. */
  check(): void {
    const state = this.#liveness.check()
    const unused = this.#isDrained() && this.#channels.size === 0
    if (state === 'gone') this.#options.socket.terminate()
    else if (state === 'idle' && unused) this.#close(CLOSE.GOING_AWAY, 'idle')
    else this.#options.socket.ping()
  }

  /** Reads nothing more and ends the channels. Resolves when every request has its answer. */
  async drain(): Promise<void> {
    this.#closing = true
    this.#options.socket.pause()
    if (!this.#isDrained()) {
      await new Promise<void>(resolve => {
        this.#onDrained = resolve
      })
    }
    for (const channel of [...this.#channels.values()]) channel.end()
    this.#options.socket.resume()
    this.#options.socket.close(CLOSE.GOING_AWAY, 'the KDC is closing')
  }

  terminate(): void {
    this.#options.socket.terminate()
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#liveness.heard()
    if (this.#closing) return
    const frame = isBinary ? decodeFrame(data as Buffer) : undefined
    if (!isBinary) {
      this.#close(CLOSE.UNSUPPORTED_DATA, 'binary frames only')
    } else if (frame === undefined) {
      this.#close(CLOSE.PROTOCOL_ERROR, 'a frame without an id')
    } else {
      this.#liveness.asked()
      this.#take(frame)
    }
  }

  #take(frame: Frame): void {
    const { id } = frame
    if (!isOfType(frame, TYPE.RECORD)) {
      if (this.#requests.has(id) || this.#channels.has(id)) {
        this.#close(CLOSE.POLICY, 'an id in use again')
        return
      }
      this.#requests.add(id)
    }
    const since = this.#measuredNow()
    if (this.#places > 0) {
      this.#handle(frame, since)
    } else {
      this.#unread.push(frame)
      this.#unreadSince.push(since)
      this.#options.socket.pause()
    }
  }

  #measuredNow(): number {
    const { measures, realm } = this.#options.context
    return measures === undefined ? 0 : realm.time.monotonic()
  }

  #handle(frame: Frame, since: number): void {
    const { id, message } = frame
    if (isOfType(frame, TYPE.RECORD)) {
      const channel = this.#channels.get(id)
      if (channel !== undefined) this.#work(channel.receive(message))
    } else {
      this.#work(this.#answer(frame, since))
    }
  }

  /** The id is free as soon as its answer is on the way, because the peer may use it again once it has that. */
  async #answer(frame: Frame, since: number): Promise<void> {
    const { id, message } = frame
    const { dispatch, address, onProved } = this.#options
    const opens = isOfType(frame, TYPE.AP_OPEN)
    const reply = opens ? await this.#open(id, message) : await dispatch(message, address, onProved)
    this.#requests.delete(id)
    await this.#send(id, reply)
    const { measures } = this.#options.context
    if (measures !== undefined) {
      measures.answered(exchangeOf(message), codeOfAnswer(reply) ?? 'ok', this.#measuredNow() - since)
    }
  }

  async #open(id: number, bytes: Uint8Array): Promise<Uint8Array> {
    const { opener, context, address, limits, onProved } = this.#options
    const now = context.realm.time.now()
    if (this.#channels.size + this.#openings >= limits.channels) {
      context.measures?.limited('channels')
      const cause = new OrthrusError('rate_limited', 'too many channels of one connection')
      return answerUnproved(cause, now, context.report, { exchange: 'AP-OPEN', address }, bytes)
    }
    const carrier = {
      send: (message: Uint8Array) => this.#send(id, message),
      ended: () => void this.#channels.delete(id),
    }
    this.#openings += 1
    const { reply, channel } = await opener
      .open({ bytes, address, now, proved: onProved }, carrier)
      .finally(() => {
        this.#openings -= 1
      })
    // The connection may have closed meanwhile, and would not close this channel any more.
    if (this.#closing) channel?.close()
    else if (channel?.isOver === false) this.#channels.set(id, channel)
    return reply
  }

  /** Resolves when the frame is with the operating system, or never will be. */
  #send(id: number, message: Uint8Array): Promise<void> {
    this.#cork()
    return new Promise(resolve => {
      this.#options.socket.send(encodeFrame({ id, message }), () => {
        this.#liveness.sent()
        resolve()
      })
    })
  }

  /** All answers of one turn of the event loop go out in one write, which costs no more than a single one does. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    const { stream } = this.#options
    stream.cork()
    setImmediate(() => {
      this.#corked = false
      stream.uncork()
    })
  }

  /** Takes a place until the work is done and one turn of the event loop longer, in which others get their turn. */
  #work(work: Promise<void>): void {
    this.#places -= 1
    const done = (): void => void setImmediate(() => this.#free())
    work.then(done, cause => {
      const { context, address } = this.#options
      context.report.tell({ kind: 'connection_abandoned', address, failure: describeFailure(cause) })
      this.#options.socket.terminate()
      done()
    })
  }

  #free(): void {
    this.#places += 1
    while (this.#places > 0) {
      const next = this.#closing ? undefined : this.#unread.shift()
      if (next === undefined) break
      this.#handle(next, this.#unreadSince.shift() ?? 0)
    }
    if (this.#isDrained()) this.#onDrained?.()
    if (this.#unread.length === 0 && this.#places > 0 && !this.#closing) this.#options.socket.resume()
  }

  #isDrained(): boolean {
    return this.#places === this.#options.limits.concurrency
  }

  #close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    const { socket, context, address } = this.#options
    context.report.tell({ kind: 'connection_closed', address, code, reason })
    socket.resume()
    socket.close(code, reason)
  }

  #closed(): void {
    this.#closing = true
    this.#unread.length = 0
    this.#unreadSince.length = 0
    for (const channel of [...this.#channels.values()]) channel.close()
    this.#options.onClosed()
  }
}

function isOfType({ message }: Frame, type: MessageType): boolean {
  return message[0] === VERSION && message[1] === type
}

const EXCHANGES: ReadonlyMap<number | undefined, MeasuredExchange> = new Map([
  [TYPE.AS_REQ, 'AS'],
  [TYPE.TGS_REQ, 'TGS'],
  [TYPE.PARAMS_REQ, 'PARAMS'],
  [TYPE.AP_OPEN, 'AP-OPEN'],
])

/** What a message claims to be, whether or not it is of the form of that. */
function exchangeOf([version, type]: Uint8Array): MeasuredExchange {
  return (version === VERSION ? EXCHANGES.get(type) : undefined) ?? 'other'
}
