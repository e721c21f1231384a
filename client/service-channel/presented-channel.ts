import { channelBroken } from '../../shared/channel/open-channel.js'
import { type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import { isError, openError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { OrthrusError, type WireCode } from '../../shared/errors.js'
import { openApAccept } from '../../shared/exchange/ap.js'
import type { Clock } from '../../shared/time.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import { startSpan } from '../kdc-link/kdc-clock.js'
import type { ErrorAnswer, Presented } from '../request/presenting.js'

/** Carries the messages of one channel: under one id of a shared connection, or over a connection of its own. */
export interface ChannelStream {
  /** May say when the operating system has the message, or never will. */
  send(message: Uint8Array): void | Promise<void>
  /** As `send`, of a message in parts; missing where that spares nothing. */
  readonly sendParts?: ((parts: readonly Uint8Array[]) => Promise<void>) | undefined
  end(): void
}

export interface ChannelStreamEvents {
  /** May say when the next message can be received. The memory of this one may be used again once this returns. */
  received(message: Uint8Array): void | Promise<void>
  /** No further message will come. */
  closed(cause: OrthrusError): void
}

/** The part of the client that uses one channel. */
export interface ChannelUser {
  /** A record came, with or without a message. */
  heard?(): void
  /**
   * Receives one complete message. May say when the next one can be received.
   * @throws OrthrusError if it is invalid, which ends the channel
   */
  receive(message: Uint8Array): void | Promise<void>
  /** The service sends no more. Without this, the channel is over. */
  receivedEnd?(): void
  /** Called once, when the channel has ended or could not be opened. */
  ended(cause: OrthrusError): void
}

export interface PresentedChannelOptions {
  readonly openStream: (events: ChannelStreamEvents) => Promise<ChannelStream>
  /** The name of the service in error messages, asked for once the stream is open: which KDC it is, only that tells. */
  readonly peer: () => string
  readonly clock: Clock
  readonly timers: Timers
  /** How long the answer to the opening may take, milliseconds. */
  readonly timeout: number
  /** The largest message accepted, bytes. */
  readonly maxMessage: number
  /** Runs `look` on an answer, and adds the next step to the error if the answer is invalid. */
  readonly explaining: <T>(look: () => T) => T
  readonly user: ChannelUser
}

/** The client's end of one channel to any service, from the AP-OPEN on (docs/protocol.md section 9). */
export class PresentedChannel {
  readonly #options: PresentedChannelOptions
  #stream: ChannelStream | undefined
  #records: RecordChannel | undefined
  /** What came right behind the answer to the opening, before that was looked at. */
  #early: Uint8Array[] | undefined
  /** Rejects the opening while it is in progress. */
  #fail: (cause: OrthrusError) => void = () => {}
  #ended: OrthrusError | undefined

  constructor(options: PresentedChannelOptions) {
    this.#options = options
  }

  /**
   * Sends the AP-OPEN, and opens the channel with the answer to it.
   * @returns the ERROR, if that is the answer
   * @throws OrthrusError if the answer is not proved, or none comes in time
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
    // The service counts the channel as open, and passes it on, only after this greeting.
    void this.#seal(records => [records.sealGreeting()])
    for (const message of this.#early?.splice(0) ?? []) void this.#receive(message)
    return undefined
  }

  /**
   * Resolves when the operating system has the message, if the stream tells.
   * @throws OrthrusError `channel_broken` if the channel is not open yet or has ended
   */
  send(message: Uint8Array): Promise<void> {
    this.requireOpen()
    const sendParts = this.#stream?.sendParts
    if (sendParts === undefined) return this.#seal(records => records.sealMessage(message))
    const sent = this.#sealing.sealMessageApart(message).map(sendParts)
    return Promise.resolve(sent.at(-1))
  }

  /** A record without a message, by which the service hears that the client is there. */
  sendNothing(): void {
    if (this.#ended === undefined) void this.#seal(records => [records.sealGreeting()])
  }

  /** Tells the service that the client sends no more. The service may go on. */
  async sendEnd(): Promise<void> {
    if (this.#ended === undefined) await this.#seal(records => [records.sealEnd()])
  }

  /** @throws OrthrusError the cause that ended the channel */
  requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  /** Tells the service that the channel ends, and ends it. */
  close(): void {
    if (this.#ended !== undefined) return
    void this.#seal(records => [records.sealEnd()])
    this.end(this.broken('it was closed'))
  }

  /** Ends the channel without telling the service. */
  end(cause: OrthrusError): void {
    if (this.#ended !== undefined) return
    this.#ended = cause
    this.#fail(cause)
    this.#stream?.end()
    this.#options.user.ended(cause)
  }

  broken(reason: string, claimed?: WireCode): OrthrusError {
    return channelBroken(this.#options.peer(), reason, claimed)
  }

  /** Opens the stream. @returns it, and the first message that it will receive */
  async #openStream(): Promise<{ stream: ChannelStream; first: Promise<Uint8Array> }> {
    const { openStream, timers, timeout, peer } = this.#options
    let answered: (first: Uint8Array) => void = () => {}
    const first = new Promise<Uint8Array>((resolve, reject) => {
      answered = resolve
      this.#fail = reject
    })
    first.catch(() => {})
    this.#stream = await openStream({
      received: message => {
        if (this.#records !== undefined) return this.#receive(message)
        if (this.#early !== undefined) {
          this.#early.push(message.slice())
        } else {
          this.#early = []
          answered(message.slice())
        }
        return undefined
      },
      closed: cause => {
        this.#fail(cause)
        this.end(this.broken(cause.reason, cause.facts.claimed))
      },
    })
    if (this.#ended !== undefined) {
      this.#stream.end()
      throw this.#ended
    }
    const cancel = runAfter(timers, timeout, () => this.#fail(lateAnswer(peer(), 'the opening', timeout)))
    const settled = first.finally(cancel)
    settled.catch(() => {})
    return { stream: this.#stream, first: settled }
  }

  #seal(seal: (records: RecordChannel) => Uint8Array[]): Promise<void> {
    const sent = seal(this.#sealing).map(record => this.#stream?.send(record))
    return Promise.resolve(sent.at(-1))
  }

  get #sealing(): RecordChannel {
    if (this.#records === undefined) throw this.broken('it is not open')
    return this.#records
  }

  #receive(message: Uint8Array): void | Promise<void> {
    const { user } = this.#options
    try {
      // Anybody may send this ERROR, but a channel whose messages can be replaced is lost in any case.
      if (messageType(message) === TYPE.ERROR) throw this.broken('the other side says that it is')
      const event = this.#records?.open(message)
      user.heard?.()
      if (event?.kind === 'message') return user.receive(event.message)
      if (event?.kind === 'end') this.#receivedEnd()
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      this.end(cause.code === 'channel_broken' ? cause : this.broken(cause.reason))
    }
    return undefined
  }

  #receivedEnd(): void {
    const { user } = this.#options
    if (user.receivedEnd === undefined) this.end(this.broken('the other side ended it'))
    else user.receivedEnd()
  }
}

/** The error for an answer that did not come in time. The action may have been carried out. */
export function lateAnswer(peer: string, what: string, milliseconds: number): OrthrusError {
  return new OrthrusError('unavailable', `${peer} did not answer ${what} within ${milliseconds} ms`, {
    hint: 'it may have been done: look before repeating it',
  })
}
