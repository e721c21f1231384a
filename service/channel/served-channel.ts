import { refuse, type VerifiedRequest } from '../../shared/accept/accept.js'
import type { AcceptedChannel, ChannelApplication } from '../../shared/channel/accepted-channel.js'
import { channelBroken, OpenChannel } from '../../shared/channel/open-channel.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { nowBy } from '../../shared/time.js'
import type { RequestMessage } from '../request/message.js'
import { requestFields } from '../request/refuse.js'
import { reportAccepted } from '../request/report-accepted.js'
import { requireStillValid, type Watched } from '../request/revocation.js'
import { type AcceptedTicket, abortTicket, createTicket } from '../request/ticket.js'
import type { ChannelAcceptor, HeldConnection } from './acceptor.js'
import { CLOSING, type Closing } from './transport.js'

export interface ServedChannelOptions<Req> {
  readonly acceptor: ChannelAcceptor<Req>
  readonly accepted: AcceptedChannel
  readonly connection: HeldConnection & {
    readonly isReading: boolean
    readonly ping: (() => void) | undefined
    /** How it is to be closed once the channel is over. */
    closing: Closing
  }
  /** The opening, for the log. */
  readonly message: RequestMessage
  readonly req: Req
}

/**
 * Step 10, the limits, and step 8 once more: from here to the watch over the tickets nothing else runs.
 * @throws Refusal
 */
export function authoriseChannel<Req>(acceptor: ChannelAcceptor<Req>, verified: VerifiedRequest): void {
  const { requirement, service } = acceptor.gate
  const fault = requirement(verified)
  if (fault !== undefined) throw refuse(verified, 'not_authorized', fault)
  const tooMany = acceptor.faultFor(presenterOf(verified))
  if (tooMany !== undefined) throw refuse(verified, 'rate_limited', tooMany)
  const { revocation, clock } = service
  if (revocation !== undefined) requireStillValid(revocation, verified, nowBy(clock))
}

export function presenterOf({ via, client }: Pick<VerifiedRequest, 'via' | 'client'>): Principal {
  return via ?? client
}

/** One channel, from its AP-ACCEPT on, between its records and the function that handles it. */
export class ServedChannel<Req> implements ChannelApplication {
  readonly channel: OpenChannel
  readonly #options: ServedChannelOptions<Req>
  readonly #ticket: AcceptedTicket
  readonly #watched: Watched
  #isOpen = false
  #hasReturned = false
  #hasClientEnded = false

  constructor(options: ServedChannelOptions<Req>) {
    const { acceptor, accepted } = options
    const { service, maxBuffered } = acceptor.gate
    const { verified, endTime } = accepted
    const { revocation, clock, timers } = service
    this.#options = options
    this.#ticket = createTicket({ verified, sealed: undefined, further: [], isSealed: false })
    this.channel = new OpenChannel({
      port: this.#port(),
      peer: verified.client,
      endTime,
      endClock: () => revocation?.endClock(nowBy(clock)) ?? clock.now(),
      timers,
      maxBuffered,
      over: cause => this.#over(cause),
    })
    this.#watched = { tickets: verified.tickets, end: cause => this.#refused(cause) }
    revocation?.watch(this.#watched)
  }

  opened(): void {
    const { acceptor, accepted, connection, message } = this.#options
    const { client } = accepted.verified
    const presenter = presenterOf(accepted.verified)
    const tooMany = acceptor.faultFor(presenter)
    if (tooMany !== undefined) {
      this.channel.break(channelBroken(client, tooMany))
      return
    }
    this.#isOpen = true
    acceptor.opened(connection, presenter)
    const { service } = acceptor.gate
    service.telemetry.openChannels++
    reportAccepted(service, message, accepted.verified, this.#ticket)
    this.channel.begin()
    void this.#handle()
  }

  heard(): void {
    this.channel.heard()
  }

  async receive(message: Uint8Array): Promise<void> {
    await this.channel.take(message)
  }

  receivedEnd(): void {
    this.#hasClientEnded = true
    this.channel.peerEnded()
    this.#endIfDone()
  }

  outlived(): void {
    this.channel.look()
  }

  broken(cause: unknown): void {
    const { client } = this.#options.accepted.verified
    const reason = cause instanceof OrthrusError ? cause.reason : 'it could not be received'
    this.channel.break(channelBroken(client, reason))
  }

  /** The connection is gone, unless the channel was over before. */
  ended(): void {
    const { client } = this.#options.accepted.verified
    this.channel.break(channelBroken(client, 'it was cut off'))
  }

  #port() {
    const { accepted, connection } = this.#options
    return {
      send: (message: Uint8Array) => accepted.send(message),
      sendEnd: () => accepted.sendEnd(),
      sendNothing: () => accepted.sendNothing(),
      get ping() {
        return connection.ping
      },
      get isReading() {
        return connection.isReading
      },
      close: (cause: OrthrusError | undefined) => {
        if (connection.closing === CLOSING.BROKEN) connection.closing = closingFor(cause)
        accepted.close()
      },
    }
  }

  async #handle(): Promise<void> {
    const { acceptor, accepted, connection, message, req } = this.#options
    const { channel } = this
    try {
      await acceptor.gate.handler(channel, this.#ticket, req)
      this.#hasReturned = true
      this.#endIfDone()
    } catch (err) {
      // A channel that was cut off is reported as that, and not as a fault of what handles it.
      if (channel.isOver && err === (await channel.closed)) return
      const { client } = accepted.verified
      acceptor.gate.service.report({ kind: 'channel_handler_failed', client, err, ...requestFields(message) })
      connection.closing = CLOSING.FAILED
      channel.break(channelBroken(client, 'what handled it failed'))
    }
  }

  /** Nothing is left to be said once the client has ended and the handler is done. */
  #endIfDone(): void {
    if (this.#hasReturned && this.#hasClientEnded && !this.channel.isOver) void this.channel.end()
  }

  /** Step 8 does not accept the tickets any more. */
  #refused(cause: OrthrusError): void {
    const { client } = this.#options.accepted.verified
    const { code, reason, facts } = cause
    this.channel.break(
      new OrthrusError(code, `the channel to ${client} is over: ${reason}`, { ...facts, cause }),
    )
  }

  #over(cause: OrthrusError | undefined): void {
    const { acceptor, accepted, message } = this.#options
    acceptor.gate.service.revocation?.forget(this.#watched)
    if (cause !== undefined) abortTicket(this.#ticket, cause)
    if (!this.#isOpen) return
    const { client } = accepted.verified
    const { report, telemetry } = acceptor.gate.service
    telemetry.openChannels--
    report({ kind: 'channel_ended', client, reason: cause?.reason, ...requestFields(message) })
  }
}

/** The code of the end says as much as the client will be told with a proof when it opens another channel. */
function closingFor(cause: OrthrusError | undefined): Closing {
  if (cause === undefined) return CLOSING.DONE
  return cause.code === 'channel_broken' ? CLOSING.BROKEN : { code: 1008, reason: cause.code }
}
