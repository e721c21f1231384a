import type { ReplayCache } from '../../shared/accept/replay.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { Report } from '../report/events.js'

/** What a shared replay cache needs to know of the service that opens it. */
export interface SharedCacheParts {
  readonly service: Principal
  readonly clock: Clock
  readonly timers: Timers
  readonly report: Report
}

/** A replay cache of one service, in this process. */
export interface OpenReplayCache extends ReplayCache {
  /** Nothing is admitted any more. */
  close(): void
}

/** A replay cache that all processes of a service share, each of which opens it when the service is loaded. */
export interface SharedReplayCache {
  /** @throws OrthrusError `unavailable` if it cannot be relied on, and its owner must act */
  openReplayCache(parts: SharedCacheParts): Promise<OpenReplayCache>
}
