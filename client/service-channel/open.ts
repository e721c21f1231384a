import { connectTcp } from '#tcp'
import type { Channel } from '../../shared/channel/channel.js'
import type { ChannelLimits } from '../../shared/channel/channel-limits.js'
import { LIMIT, SUBPROTOCOL } from '../../shared/constants.js'
import { ID_BYTES } from '../../shared/encoding/frame.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { OpenSocket } from '../kdc-link/socket.js'
import type { Presenter } from '../request/presenter.js'
import type { Ticket } from '../ticket/ticket.js'
import { tcpFraming, webSocketFraming } from './framing.js'
import type { ChannelPlace } from './place.js'
import { openServiceChannel } from './service-channel.js'
import { openSocketStream, type SocketStreamOptions } from './socket-stream.js'
import { unreachableService } from './unreachable.js'

export { channelLimits } from '../../shared/channel/channel-limits.js'
export { placeOf } from './place.js'

/** What a realm opens channels with. */
export interface ChannelParts {
  readonly openSocket: OpenSocket
  readonly presenter: Presenter
  readonly clock: Clock
  readonly timers: Timers
  /** KDC time, milliseconds. */
  readonly now: () => number
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number; readonly call: number }
}

export interface ChannelChoice extends ChannelLimits {
  readonly place: ChannelPlace
  readonly service: Principal
  readonly ticket: Ticket | undefined
  readonly signal: AbortSignal
  readonly whenClosed: (end: (cause: OrthrusError) => void) => () => void
}

/** Opens a channel over a connection of its own. @throws as `openServiceChannel` does */
export function openChannelAt(parts: ChannelParts, choice: ChannelChoice): Promise<Channel> {
  const { timers, timeouts } = parts
  const { place, service } = choice
  const failure = (reason: string): OrthrusError => unreachableService(place.url, service, reason)
  return openServiceChannel({
    ...parts,
    ...choice,
    origin: place.origin,
    target: place.target,
    timeout: timeouts.call,
    openStream: (events, heard) => {
      const common = { timers, timeout: timeouts.connect, failure, heard }
      return openSocketStream({ ...common, ...connectionTo(parts, place) }, events)
    },
  })
}

function connectionTo(
  { openSocket }: ChannelParts,
  { url, tcp }: ChannelPlace,
): Pick<SocketStreamOptions, 'open' | 'framing'> {
  if (tcp !== undefined) {
    return { framing: tcpFraming(), open: events => connectTcp(tcp, events) }
  }
  const options = { url, protocol: SUBPROTOCOL, maxBytes: ID_BYTES + LIMIT.MESSAGE_BYTES }
  return { framing: webSocketFraming(), open: events => openSocket(options, events) }
}
