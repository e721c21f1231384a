import type { Channel } from '../../shared/channel/channel.js'
import type { ChannelLimits } from '../../shared/channel/channel-limits.js'
import { runAtEnd } from '../../shared/channel/end-of-time.js'
import { OpenChannel } from '../../shared/channel/open-channel.js'
import { channelBinding } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import { abortable, type Cancel, type Timers } from '../../shared/timers.js'
import type { Presenter } from '../request/presenter.js'
import type { ErrorAnswer, Presented } from '../request/presenting.js'
import type { Ticket } from '../ticket/ticket.js'
import { type ChannelStreamEvents, PresentedChannel } from './presented-channel.js'
import type { SlowableStream } from './slowable-stream.js'

export interface ServiceChannelOptions extends ChannelLimits {
  readonly service: Principal
  /** Used instead of the ticket from the cache. */
  readonly ticket: Ticket | undefined
  /** Where it goes, for events. */
  readonly origin: string
  /** What the opening is bound to. */
  readonly target: string
  /** Gives up the opening. */
  readonly signal: AbortSignal
  /** @param heard to be called at each sign of life that is no message */
  readonly openStream: (events: ChannelStreamEvents, heard: () => void) => Promise<SlowableStream>
  readonly presenter: Presenter
  readonly clock: Clock
  readonly timers: Timers
  /** KDC time, milliseconds. */
  readonly now: () => number
  /** How long the answer to the opening may take, milliseconds. */
  readonly timeout: number
  /** Calls the function when the realm is closed. @returns a function that cancels this */
  readonly whenClosed: (end: (cause: OrthrusError) => void) => () => void
}

/**
 * Opens a channel to a service (docs/protocol.md section 9).
 * @throws OrthrusError as `Presenter.present` does; `unavailable`; `channel_broken`
 */
export function openServiceChannel(options: ServiceChannelOptions): Promise<Channel> {
  const { service, ticket, origin, target, signal, presenter } = options
  return presenter.present<OpenChannel>({
    service,
    ticket,
    type: TYPE.AP_OPEN,
    method: 'CHANNEL',
    origin,
    target,
    bind: () => ({ binding: channelBinding(target), headers: [] }),
    // Opening a channel twice does no harm.
    safe: true,
    signal,
    send: presented => openOnce(presented, options),
  })
}

async function openOnce(
  presented: Presented,
  options: ServiceChannelOptions,
): Promise<OpenChannel | ErrorAnswer> {
  const { presentedChannel, channel, begin } = assemble(presented, options)
  try {
    const refused = await abortable(presentedChannel.open(presented), options.signal)
    if (refused === undefined) {
      begin()
      return channel
    }
    channel.abort('it was refused')
    return refused
  } catch (cause) {
    channel.abort('it was not opened')
    throw cause
  }
}

/** The channel as its records are carried, and as the program uses it: what happens to one of them, the other learns. */
function assemble(presented: Presented, options: ServiceChannelOptions) {
  const { service, openStream, timers, now, maxBuffered, maxMessage, clock, timeout } = options
  const endTime = endOf(presented, options.ticket)
  let stream: SlowableStream | undefined
  let cancels: Cancel[] = []
  const presentedChannel: PresentedChannel = new PresentedChannel({
    openStream: async events => {
      stream = await openStream(events, () => channel.heard())
      return stream
    },
    peer: () => service,
    clock,
    timers,
    timeout,
    maxMessage,
    explaining: look => look(),
    user: {
      heard: () => channel.heard(),
      receive: message => channel.take(message),
      receivedEnd: () => channel.peerEnded(),
      ended: cause => channel.break(cause),
    },
  })
  const channel: OpenChannel = new OpenChannel({
    peer: service,
    endTime,
    endClock: now,
    timers,
    maxBuffered,
    port: {
      send: message => presentedChannel.send(message),
      sendEnd: () => presentedChannel.sendEnd(),
      sendNothing: () => presentedChannel.sendNothing(),
      get ping() {
        return stream?.ping
      },
      get isReading() {
        return stream?.isReading ?? true
      },
      close: cause => presentedChannel.end(cause ?? presentedChannel.broken('both sides have ended')),
    },
    over: () => {
      for (const cancel of cancels) cancel()
    },
  })
  const begin = (): void => {
    channel.begin()
    cancels = [
      options.whenClosed(cause => channel.break(presentedChannel.broken(cause.reason))),
      runAtEnd(timers, now, endTime, () => channel.look()),
    ]
    if (channel.isOver) for (const cancel of cancels) cancel()
  }
  return { presentedChannel, channel, begin }
}

/** The earliest end of what is presented, as far as the client knows it. The service knows all of it. */
function endOf({ own }: Presented, ticket: Ticket | undefined): number {
  return Math.min(own?.endTime ?? Number.POSITIVE_INFINITY, ticket?.endTime ?? Number.POSITIVE_INFINITY)
}
