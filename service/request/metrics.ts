import type { WireCode } from '../../shared/errors.js'
import type { EventCounts } from '../../shared/telemetry/telling.js'
import type { ServiceEvent } from '../report/events.js'

/** What a service has done since it was loaded, and what it holds at this moment: numbers without names or secrets. */
export interface ServiceMetrics extends ServiceGauges {
  /** How many events there were of each kind, whether anybody listened or not (docs/telemetry.md). */
  readonly events: Readonly<EventCounts<ServiceEvent>>
  /** Requests that were refused, replayed ones among them, by the code that answered them. */
  readonly refused: { readonly [code in WireCode]?: number }
  /** Requests that `permitWithoutTicket` let through: the event of that kind is told only once an hour. */
  readonly passedWithoutTicket: number
  /** Channels that are open now. */
  readonly openChannels: number
}

/** What a service holds. */
export interface ServiceGauges {
  /** Opened tickets that are remembered, and how often a request's ticket was among them. */
  readonly ticketCache: { readonly tickets: number; readonly hits: number; readonly misses: number }
  /** Undefined for a replay cache that is not of this process alone. `capacity` and `entries` count requests. */
  readonly replayCache:
    | { readonly entries: number; readonly capacity: number; readonly bytes: number }
    | undefined
}
