import type { Channel } from '../../shared/channel/channel.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { ByteChannel } from './joined-socket.js'

/** Goes before the end of a channel whose direction goes on in the next one. Bytes of a connection are never none. */
const MOVES = new Uint8Array()

/**
 * The bytes of one connection over one channel after the other: each under a ticket of its own, so that the connection
 * outlives them. Each direction moves by itself: its sender says so in the old channel, ends it, and goes on in the new
 * one; its receiver takes all that the old one brings first. So nothing is lost, doubled or out of order.
 */
export class ContinuedStream implements ByteChannel {
  readonly closed: Promise<OrthrusError | undefined>
  #sending: Channel
  #receiving: Channel
  /** The last one, if it is not yet received from. */
  #next: Channel | undefined
  #onNext: () => void = () => {}
  #hasEnded = false
  #hasReceivedEnd = false
  #isOver = false
  readonly #settle: (cause: OrthrusError | undefined) => void

  constructor(channel: Channel) {
    this.#sending = channel
    this.#receiving = channel
    let settle: (cause: OrthrusError | undefined) => void = () => {}
    this.closed = new Promise(resolve => {
      settle = resolve
    })
    this.#settle = settle
    this.#watch(channel)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** When the present channel ends at the latest: milliseconds, KDC time. */
  get endTime(): number {
    return this.#sending.endTime
  }

  /**
   * Goes on in another channel, in the direction of this side; the other side does so by itself.
   * @returns whether it does: not before the other side has moved to the last one, nor where all has been said
   */
  continueOn(channel: Channel): boolean {
    if (this.#isOver || this.#next !== undefined) return false
    const old = this.#sending
    this.#sending = channel
    if (!this.#hasReceivedEnd) this.#next = channel
    this.#watch(channel)
    if (this.#hasEnded) void channel.end()
    else {
      void old.send(MOVES)
      void old.end()
    }
    this.#onNext()
    return true
  }

  send(bytes: Uint8Array | string): Promise<void> {
    return this.#sending.send(bytes)
  }

  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = await this.#receiving.receive()
      if (bytes === undefined) break
      if (bytes.length > 0) return bytes
      await this.#move()
    }
    this.#hasReceivedEnd = true
    // Nothing comes in it from the other side but its end.
    this.#next = undefined
    this.#closeIfDone()
    return undefined
  }

  async end(): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    await this.#sending.end()
    this.#closeIfDone()
  }

  abort(reason?: string): void {
    for (const channel of new Set([this.#sending, this.#receiving, this.#next])) channel?.abort(reason)
  }

  /** The other side moved on. */
  async #move(): Promise<void> {
    if ((await this.#receiving.receive()) !== undefined) this.abort('something came behind its last message')
    while (this.#next === undefined) {
      await Promise.race([
        new Promise<void>(resolve => {
          this.#onNext = resolve
        }),
        this.closed,
      ])
      const cause = this.#isOver ? await this.closed : undefined
      if (cause !== undefined) throw cause
    }
    this.#receiving = this.#next
    this.#next = undefined
  }

  #watch(channel: Channel): void {
    void channel.closed.then(cause => {
      if (cause === undefined || this.#isOver) return
      this.#finish(cause)
      this.abort(cause.reason)
    })
  }

  #closeIfDone(): void {
    if (this.#hasEnded && this.#hasReceivedEnd && !this.#isOver) this.#finish(undefined)
  }

  #finish(cause: OrthrusError | undefined): void {
    this.#isOver = true
    this.#settle(cause)
  }
}
