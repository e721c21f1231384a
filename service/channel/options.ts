import type { IncomingMessage } from 'node:http'
import type { Channel } from '../../shared/channel/channel.js'
import { type ChannelLimits, channelLimits } from '../../shared/channel/channel-limits.js'
import type { KnownOptions } from '../../shared/options.js'
import { shown } from '../../shared/shown-text.js'
import { isPlainPath } from '../../shared/ticket/caveat-path.js'
import { type AppCaveatChecker, type Hooks, requireHooks } from '../request/options.js'
import type { RefusedRequest } from '../request/refuse.js'
import {
  createRequirement,
  REQUIREMENT_OPTIONS,
  type Requirement,
  type RequirementOptions,
} from '../request/requirements.js'
import { partsOf, type Service, type ServiceParts } from '../request/service.js'
import type { AcceptedTicket } from '../request/ticket.js'

/** What a service does with a channel. `Req` is what the channel came with: the request of the WebSocket's upgrade. */
export type ChannelHandler<Req = IncomingMessage> = (
  channel: Channel,
  ticket: AcceptedTicket,
  req: Req,
) => unknown

/** The options that hold whatever carries the channels. */
export interface ChannelGateOptions<Req> extends RequirementOptions {
  /** What `loadService` gave. */
  readonly service: Service
  /** Checkers of `app` caveats by name. A caveat without one fails. Default: none. */
  readonly caveats?: Readonly<Record<string, AppCaveatChecker<Req>>>
  /** The largest message that is accepted from a client, bytes. Default 1 MiB. */
  readonly maxMessage?: number
  /**
   * How many bytes of a channel may wait in each direction, to be sent or to be taken. Default: 16 messages of the
   * largest size, and 256 KiB.
   */
  readonly maxBuffered?: number
  /** How many channels may be open at once. Default 10,000. */
  readonly maxChannels?: number
  /** How many of them one client, or one delegate, may have. Default 100. */
  readonly maxChannelsPerClient?: number
  /** How many connections may be without an open channel. The oldest gives way to a new one. Default 1,000. */
  readonly maxUnopened?: number
  /** How long a connection may be without an open channel, milliseconds. Default 10,000. */
  readonly openWithin?: number
  /** Called for each opening that is refused, after it was answered. */
  readonly onRefused?: (refused: RefusedRequest, req: Req) => void
}

export const GATE_OPTIONS: KnownOptions<ChannelGateOptions<never>> = {
  service: true,
  ...REQUIREMENT_OPTIONS,
  caveats: true,
  maxMessage: true,
  maxBuffered: true,
  maxChannels: true,
  maxChannelsPerClient: true,
  maxUnopened: true,
  openWithin: true,
  onRefused: true,
}

const DEFAULTS = {
  maxChannels: 10_000,
  maxChannelsPerClient: 100,
  maxUnopened: 1_000,
  openWithin: 10_000,
} as const

/** The options of one `acceptChannels`, checked and complete. */
export interface ChannelGate<Req> extends Hooks<Req>, ChannelLimits {
  readonly service: ServiceParts
  readonly requirement: Requirement
  readonly handler: ChannelHandler<Req>
  readonly maxChannels: number
  readonly maxChannelsPerClient: number
  readonly maxUnopened: number
  /** Milliseconds. */
  readonly openWithin: number
}

/** @throws TypeError if an option cannot be meant so */
export function createChannelGate<Req>(
  options: ChannelGateOptions<Req>,
  handler: ChannelHandler<Req>,
): ChannelGate<Req> {
  const service = partsOf(options.service)
  if (typeof handler !== 'function') {
    throw new TypeError('acceptChannels takes the function that handles a channel: (channel, ticket) => ...')
  }
  requireHooks(options)
  const limits = { ...DEFAULTS }
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[name] ?? DEFAULTS[name]
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new TypeError(`${name} is a whole number above 0, not ${shown(value)}`)
    }
    Object.assign(limits, { [name]: value })
  }
  const requirement = createRequirement(options, service.principal)
  return { options, service, requirement, handler, ...limits, ...channelLimits(given(options)) }
}

function given({ maxMessage, maxBuffered }: Partial<ChannelLimits>): Partial<ChannelLimits> {
  return {
    ...(maxMessage === undefined ? {} : { maxMessage }),
    ...(maxBuffered === undefined ? {} : { maxBuffered }),
  }
}

/** @throws TypeError */
export function requirePath(path: unknown): asserts path is string {
  if (typeof path === 'string' && isPlainPath(path)) return
  throw new TypeError(`path is the path at which channels are accepted, such as '/live', not ${shown(path)}`)
}
