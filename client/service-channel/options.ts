import type { KnownOptions } from '../../shared/options.js'
import type { Ticket } from '../ticket/ticket.js'

/** The options of `Realm.openChannel`. */
export interface OpenChannelOptions {
  /**
   * The service. Default: the one that the option `services` of `connect` names for the origin, or that of a `ticket`
   * from `getServiceTicket`. A ticket that another party handed on needs one of the first two.
   */
  readonly service?: string
  /** Used instead of the realm's own ticket: one that was cut down, or that another party handed on. */
  readonly ticket?: Ticket
  /** Gives up the opening. An open channel is ended by `abort`. */
  readonly signal?: AbortSignal
  /** The largest message that is accepted from the service, bytes. Default 1 MiB. */
  readonly maxMessage?: number
  /** How many bytes may wait in each direction, to be sent or to be taken. Default: 16 messages
   * of the largest size, and 256 KiB. */
  readonly maxBuffered?: number
}

export const CHANNEL_OPTIONS: KnownOptions<OpenChannelOptions> = {
  service: true,
  ticket: true,
  signal: true,
  maxMessage: true,
  maxBuffered: true,
}

const { ticket: _, ...others } = CHANNEL_OPTIONS

/** The options of `Caller.openChannel`, whose ticket is the caller's. */
export const CALLER_CHANNEL_OPTIONS: KnownOptions<Omit<OpenChannelOptions, 'ticket'>> = others
