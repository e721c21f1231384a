import type { VerifiedRequest } from '../accept/accept.js'
import { WINDOW } from '../constants.js'
import { createError } from '../encoding/error.js'
import { OrthrusError } from '../errors.js'
import type { Clock } from '../time.js'
import { type Cancel, runAfter, type Timers } from '../timers.js'
import { runAtEnd } from './end-of-time.js'
import type { RecordChannel } from './records.js'
import type { WaitingChannel } from './waiting-channels.js'

/** Carries the messages of one channel to its client: RECORDs, and an ERROR if it breaks. */
export interface ChannelCarrier {
  /** Resolves when the operating system has the message, or never will. */
  send(message: Uint8Array): Promise<void>
  /** As `send`, of a message in parts; missing where that spares nothing. */
  readonly sendParts?: ((parts: readonly Uint8Array[]) => Promise<void>) | undefined
  /** The channel is over, and its id is free. */
  ended(): void
}

/** What a service does with one channel. */
export interface ChannelApplication {
  /** The client's first record came, which shows that it has the channel's key. */
  opened?(): void
  /** A record came, with or without a message. */
  heard?(): void
  /** Handles one whole message. The next one waits until this one settles. A rejection breaks the channel. */
  receive(message: Uint8Array): Promise<void>
  /** The client sends no more. Without this, the service's side ends too. */
  receivedEnd?(): void
  /** The channel has reached its end time. Without this, the service's side ends in order. */
  outlived?(): void
  /** The channel broke. The client was told that it did, but not why. `ended` follows, unless it came before. */
  broken(cause: unknown): void
  /** The channel is over, whichever side ended it. Called once. */
  ended(): void
}

export interface AcceptedChannelOptions {
  readonly verified: VerifiedRequest
  readonly records: RecordChannel
  readonly waiting: WaitingChannel
  /** Milliseconds. */
  readonly endTime: number
  /** The time by which it ends, milliseconds. */
  readonly endClock: () => number
  readonly carrier: ChannelCarrier
  readonly clock: Clock
  readonly timers: Timers
  /** Called once, before anything is received. */
  serve(channel: AcceptedChannel): ChannelApplication
}

/**
 * The service's side of one channel, from its AP-ACCEPT on (docs/protocol.md section 9). Its states:
 *
 * - `waiting`: up to 5 s for the client's first record, which alone shows that whoever opened the channel has its key
 * - `open`: until the earliest end of its tickets and caveats, an end by either side, or a break
 * - `over`: nothing is received or sent
 */
export class AcceptedChannel {
  readonly verified: VerifiedRequest
  readonly endTime: number
  readonly #options: AcceptedChannelOptions
  readonly #application: ChannelApplication
  readonly #acceptedAt: number
  #state: 'waiting' | 'open' | 'over' = 'waiting'
  #cancelWait: Cancel
  #hasSentEnd = false
  /** Settles when everything received so far has been handled. */
  #received: Promise<void> = Promise.resolve()

  constructor(options: AcceptedChannelOptions) {
    this.#options = options
    this.verified = options.verified
    this.endTime = options.endTime
    const { clock, timers } = options
    this.#acceptedAt = clock.monotonic()
    this.#cancelWait = runAfter(timers, WINDOW.CHANNEL_FIRST_RECORD, () =>
      this.#break(late('no record came')),
    )
    this.#application = options.serve(this)
  }

  /** Resolves when the record has been handled. Never rejects. */
  async receive(record: Uint8Array): Promise<void> {
    if (this.#state === 'over') return
    try {
      const event = this.#options.records.open(record)
      if (this.#state === 'waiting') this.#open()
      this.#application.heard?.()
      if (event?.kind === 'message') this.#queue(() => this.#application.receive(event.message))
      if (event?.kind === 'end') this.#queue(async () => this.#receivedEnd())
      await this.#received
    } catch (cause) {
      this.#break(cause)
    }
  }

  /**
   * Resolves when the operating system has the message, so that a client that does not read delays only itself. The
   * carrier keeps the order, so it has the last record last.
   */
  send(message: Uint8Array): Promise<void> {
    let sent = Promise.resolve()
    if (this.#state === 'over') return sent
    const { records, carrier } = this.#options
    const { sendParts } = carrier
    if (sendParts === undefined)
      for (const record of records.sealMessage(message)) sent = carrier.send(record)
    else for (const parts of records.sealMessageApart(message)) sent = sendParts(parts)
    return sent
  }

  /** A record without a message, by which the client hears that the service is there. */
  sendNothing(): void {
    const { records, carrier } = this.#options
    if (this.#state !== 'over') void carrier.send(records.sealGreeting())
  }

  /** Tells the client that the service sends no more. The client may go on. Resolves as `send` does. */
  async sendEnd(): Promise<void> {
    if (this.#state === 'over' || this.#hasSentEnd) return
    this.#hasSentEnd = true
    const { records, carrier } = this.#options
    await carrier.send(records.sealEnd())
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Tells the client that the service sends no more, and ends the channel. */
  end(): void {
    if (this.#state === 'over') return
    void this.sendEnd()
    this.close()
  }

  /** Ends the channel without telling the client, as when the connection is gone. */
  close(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#cancelWait()
    this.#options.waiting.release()
    this.#application.ended()
    this.#options.carrier.ended()
  }

  /** The first record arrived, so its sender has the channel's key. A timer may be late, so the clock decides. */
  #open(): void {
    const { clock, waiting } = this.#options
    if (clock.monotonic() - this.#acceptedAt > WINDOW.CHANNEL_FIRST_RECORD) {
      throw late('the first record came late')
    }
    this.#state = 'open'
    waiting.release()
    this.#cancelWait()
    const { endClock, timers, endTime } = this.#options
    this.#cancelWait = runAtEnd(timers, endClock, endTime, () => this.#outlived())
    if (!this.isOver) this.#application.opened?.()
  }

  #outlived(): void {
    if (this.#application.outlived === undefined) this.end()
    else this.#application.outlived()
  }

  #receivedEnd(): void {
    if (this.#application.receivedEnd === undefined) this.end()
    else this.#application.receivedEnd()
  }

  #queue(work: () => Promise<void>): void {
    this.#received = this.#received.then(() => (this.#state === 'over' ? undefined : work()))
  }

  /** Tells the client in clear, because nothing more can be sent inside the channel (section 3). */
  #break(cause: unknown): void {
    if (this.#state === 'over') return
    const { clock, carrier } = this.#options
    void carrier.send(createError({ code: 'malformed', time: clock.now(), floor: null, message: '' }))
    this.#application.broken(cause)
    this.close()
  }
}

function late(reason: string): OrthrusError {
  return new OrthrusError('channel_broken', reason)
}
