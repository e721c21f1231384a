import { type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import { isError, openError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { OrthrusError } from '../../shared/errors.js'
import { openApAccept } from '../../shared/exchange/ap.js'
import type { Clock } from '../../shared/time.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import { startSpan } from '../kdc-link/kdc-clock.js'
import type { ErrorAnswer, Presented } from '../request/presenter.js'

/** Carries the messages of one channel to its service: one id of a connection, or a connection of its own. */
export interface ChannelStream {
  send(message: Uint8Array): void
  end(): void
}

export interface ChannelStreamEvents {
  received(message: Uint8Array): void
  /** Nothing comes any more. */
  closed(cause: OrthrusError): void
}

/** What the client does with one channel. */
export interface ChannelUser {
  /** One whole message. @throws OrthrusError where it makes no sense, which ends the channel */
  receive(message: Uint8Array): void
  /** The channel is over, or was not opened. Called once. */
  ended(cause: OrthrusError): void
}

export interface PresentedChannelOptions {
  readonly openStream: (events: ChannelStreamEvents) => Promise<ChannelStream>
  /** How errors name the service, as `the KDC`. */
  readonly peer: string
  readonly clock: Clock
  readonly timers: Timers
  /** How long the answer to the opening may take, milliseconds. */
  readonly timeout: number
  /** The largest message taken, bytes. */
  readonly maxMessage: number
  /** Looks at an answer, and gives what is wrong with it the next step. */
  readonly explaining: <T>(look: () => T) => T
  readonly user: ChannelUser
}

/** The client's half of one channel, from its AP-OPEN on (docs/protocol.md section 9), whatever the service is. */
export class PresentedChannel {
  readonly #options: PresentedChannelOptions
  #stream: ChannelStream | undefined
  #records: RecordChannel | undefined
  /** Rejects the opening, while it is under way. */
  #fail: (cause: OrthrusError) => void = () => {}
  #ended: OrthrusError | undefined

  constructor(options: PresentedChannelOptions) {
    this.#options = options
  }

  /**
   * Sends the AP-OPEN, and opens the channel with what answers it.
   * @returns the error that answers it, if one does
   * @throws OrthrusError where the answer proves nothing, or none comes
   */
  async open(presented: Presented): Promise<ErrorAnswer | undefined> {
    const { key, request } = presented
    const { explaining, maxMessage, clock } = this.#options
    const { stream, first } = await this.#openStream()
    const endSpan = startSpan(clock)
    stream.send(request.bytes)
    const answer = await first
    const span = endSpan()
    const error = explaining(() => (isError(answer) ? openError(answer, key, request.mac) : undefined))
    if (error !== undefined) return { error, span }
    explaining(() => openApAccept(key, request.mac, answer))
    this.#records = startChannel('client', key, request.bytes, answer, maxMessage)
    // The service counts the channel, and hands it on, only after this.
    this.#seal(records => [records.sealGreeting()])
    return undefined
  }

  /** @throws OrthrusError `channel_broken` where it is not open, or over */
  send(message: Uint8Array): void {
    this.requireOpen()
    this.#seal(records => records.sealMessage(message))
  }

  /** @throws OrthrusError with what ended the channel */
  requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  /** Says that the client says no more, and is over. */
  close(): void {
    if (this.#ended !== undefined) return
    this.#seal(records => [records.sealEnd()])
    this.end(this.broken('it was closed'))
  }

  /** Is over without a word. */
  end(cause: OrthrusError): void {
    if (this.#ended !== undefined) return
    this.#ended = cause
    this.#fail(cause)
    this.#stream?.end()
    this.#options.user.ended(cause)
  }

  broken(reason: string): OrthrusError {
    const { peer } = this.#options
    return new OrthrusError('channel_broken', `the channel to ${peer} is over: ${reason}`, {
      hint: 'open a new one',
    })
  }

  /** The stream, and the first message that comes over it. */
  async #openStream(): Promise<{ stream: ChannelStream; first: Promise<Uint8Array> }> {
    const { openStream, timers, timeout, peer } = this.#options
    let answered: (first: Uint8Array) => void = () => {}
    const first = new Promise<Uint8Array>((resolve, reject) => {
      answered = resolve
      this.#fail = reject
    })
    first.catch(() => {})
    this.#stream = await openStream({
      received: message => (this.#records === undefined ? answered(message) : this.#receive(message)),
      closed: cause => {
        this.#fail(cause)
        this.end(this.broken(cause.reason))
      },
    })
    if (this.#ended !== undefined) {
      this.#stream.end()
      throw this.#ended
    }
    const cancel = runAfter(timers, timeout, () => this.#fail(lateAnswer(peer, 'the opening', timeout)))
    const settled = first.finally(cancel)
    settled.catch(() => {})
    return { stream: this.#stream, first: settled }
  }

  #seal(seal: (records: RecordChannel) => Uint8Array[]): void {
    if (this.#records === undefined) throw this.broken('it is not open')
    for (const record of seal(this.#records)) this.#stream?.send(record)
  }

  #receive(message: Uint8Array): void {
    const { peer, user } = this.#options
    try {
      // Anybody may send this ERROR, but a channel whose messages are replaced is over either way.
      if (messageType(message) === TYPE.ERROR) throw this.broken(`${peer} says that it is`)
      const event = this.#records?.open(message)
      if (event?.kind === 'message') user.receive(event.message)
      else if (event?.kind === 'end') this.end(this.broken(`${peer} ended it`))
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      this.end(cause.code === 'channel_broken' ? cause : this.broken(cause.reason))
    }
  }
}

/** That no answer came in time, and what was asked may have been done. */
export function lateAnswer(peer: string, what: string, milliseconds: number): OrthrusError {
  return new OrthrusError('unavailable', `${peer} did not answer ${what} within ${milliseconds} ms`, {
    hint: 'it may have been done: look before repeating it',
  })
}
