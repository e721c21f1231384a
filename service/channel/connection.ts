import { ticketsOf } from '../../shared/accept/accept.js'
import { refuseUnproved } from '../../shared/accept/refusal.js'
import type { AcceptedChannel, ChannelCarrier } from '../../shared/channel/accepted-channel.js'
import { channelBroken } from '../../shared/channel/open-channel.js'
import { type OpenedChannel, type OpeningOptions, openChannel } from '../../shared/channel/opening.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { OrthrusError } from '../../shared/errors.js'
import { explainOpening } from '../request/binding-mismatch.js'
import type { RequestMessage } from '../request/message.js'
import { checkersFor, tellRefused } from '../request/options.js'
import { reportRefusal } from '../request/refuse.js'
import { tracedAccept } from '../request/traced-accept.js'
import { closed } from '../request/verify.js'
import type { ChannelAcceptor, HeldConnection } from './acceptor.js'
import { authoriseChannel, ServedChannel } from './served-channel.js'
import { type ChannelTransport, CLOSING, type Closing } from './transport.js'

/** Tuning: while so many records are being handled, nothing more is read. */
const UNHANDLED_MAX = 8

export interface ChannelConnectionOptions<Req> {
  readonly acceptor: ChannelAcceptor<Req>
  readonly transport: ChannelTransport
  /** What the opening is bound to. */
  readonly target: string
  readonly req: Req
}

/** One connection of a client, which carries one channel, whatever it is made of. */
export class ChannelConnection<Req> implements HeldConnection {
  closing: Closing = CLOSING.BROKEN
  readonly #options: ChannelConnectionOptions<Req>
  #isOpening = false
  #channel: AcceptedChannel | undefined
  #served: ServedChannel<Req> | undefined
  #unhandled = 0
  #isClosed = false

  constructor(options: ChannelConnectionOptions<Req>) {
    this.#options = options
    options.acceptor.add(this)
  }

  get isReading(): boolean {
    return this.#unhandled < UNHANDLED_MAX
  }

  get ping(): (() => void) | undefined {
    return this.#options.transport.ping
  }

  /** A message came: first the opening, then the channel's records. Its memory may be used again once this returns. */
  receive(message: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#channel !== undefined) this.#handle(this.#channel.receive(message))
    else if (!this.#isOpening) void this.#open(message.slice())
  }

  /** Another sign of life came. */
  heard(): void {
    this.#served?.heard()
  }

  /** The connection is gone. */
  closed(): void {
    this.#isClosed = true
    this.#channel?.close()
    this.#options.acceptor.remove(this)
  }

  end(cause: OrthrusError, closing: Closing): void {
    this.closing = closing
    this.#served?.channel.break(cause)
    this.#close(closing)
  }

  cut(closing: Closing): void {
    this.end(channelBroken('its client', closing.reason), closing)
    this.#options.transport.terminate()
  }

  async #open(apOpen: Uint8Array): Promise<void> {
    this.#isOpening = true
    const { transport, acceptor } = this.#options
    try {
      const { reply, channel } = await this.#accept(apOpen)
      this.#channel = channel
      if (this.#isClosed || acceptor.isClosed) channel.close()
      else await transport.send(reply)
    } catch (cause) {
      await this.#refuse(cause)
    }
  }

  /** A key may have been changed by another process, which is known when a ticket under the new one comes. */
  async #accept(apOpen: Uint8Array): Promise<OpenedChannel> {
    const { acceptor, transport } = this.#options
    const { service } = acceptor.gate
    if (acceptor.isClosed) throw refuseUnproved(closed(), service.clock.now())
    const carrier = {
      send: (message: Uint8Array) => transport.send(message),
      sendParts: transport.sendParts,
      ended: () => this.#close(this.closing),
    }
    const { tracing } = service
    const open = (): Promise<OpenedChannel> => this.#openWithPresentKeys(apOpen, carrier)
    if (tracing === undefined) return open()
    return tracedAccept(tracing, service, this.#message(), open, ({ channel }) => ticketsOf(channel.verified))
  }

  async #openWithPresentKeys(apOpen: Uint8Array, carrier: ChannelCarrier): Promise<OpenedChannel> {
    const options = this.#opening()
    try {
      return await openChannel(apOpen, carrier, options)
    } catch (cause) {
      if (!(await this.#options.acceptor.gate.service.hasKeyFor(cause))) throw cause
      return openChannel(apOpen, carrier, options)
    }
  }

  #opening(): OpeningOptions {
    const { acceptor, target, req } = this.#options
    const { gate, waiting } = acceptor
    const { principal, tickets, revocation, clock, timers } = gate.service
    return {
      service: principal,
      target,
      tickets,
      checkers: checkersFor(gate, req),
      revocation,
      waiting,
      clock,
      timers,
      random: systemRandom,
      maxMessage: () => gate.maxMessage,
      explainMismatch: isBound => explainOpening(target, principal, isBound),
      authorise: verified => authoriseChannel(acceptor, verified),
      serve: accepted => {
        this.#served = new ServedChannel({
          acceptor,
          accepted,
          connection: this,
          message: this.#message(),
          req,
        })
        return this.#served
      },
    }
  }

  async #refuse(cause: unknown): Promise<void> {
    const { acceptor, transport, req } = this.#options
    const { refused, reply } = reportRefusal(acceptor.gate.service, this.#message(), cause)
    await transport.send(reply)
    this.#close(CLOSING.REFUSED)
    tellRefused(acceptor.gate, refused, req)
  }

  #handle(work: Promise<void>): void {
    const { transport } = this.#options
    this.#unhandled += 1
    if (!this.isReading) transport.pause()
    void work.finally(() => {
      const wasReading = this.isReading
      this.#unhandled -= 1
      if (!wasReading && !this.#isClosed) transport.resume()
    })
  }

  #close(closing: Closing): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#options.transport.close(closing)
  }

  /** The opening as the log has it. */
  #message(): RequestMessage {
    return { method: 'CHANNEL', target: this.#options.target, headers: [], body: undefined }
  }
}
