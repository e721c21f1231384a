import type { ErrorCode } from '../shared/errors.js'
import type { EventCounts } from '../shared/telemetry/telling.js'
import type { ClientEvent } from './report/events.js'

/** What a realm has done since it was connected, and what it holds at this moment: numbers without names or secrets. */
export interface RealmMetrics {
  /** How many events there were of each kind, whether anybody listened or not (docs/telemetry.md). */
  readonly events: Readonly<EventCounts<ClientEvent>>
  /** Tickets that the KDC did not grant, by code. */
  readonly refusedTickets: { readonly [code in ErrorCode]?: number }
  /** Requests that were refused, or have no proved answer, by code. */
  readonly refusedCalls: { readonly [code in ErrorCode]?: number }
  /** Tickets for services that are kept now. */
  readonly tickets: number
  /** Whether a connection to a KDC is open. */
  readonly kdcConnected: boolean
}
