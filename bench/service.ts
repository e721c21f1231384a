import { setTimeout } from 'node:timers/promises'
import type { LoadServiceOptions } from '../service/load-options.js'
import { loadService } from '../service/load-service.js'
import { BoundedReplayCache } from '../service/replay/replay-cache.js'
import type { Service } from '../service/request/service.js'
import { WINDOW } from '../shared/constants.js'
import { systemClock } from '../shared/time.js'

/** A KDC that a service follows, and how much it has revoked. */
export interface BenchFeed {
  readonly kdc: string
  readonly revocations: number
}

/**
 * A service as if it had been running for a while: the wait after a start is no cost of a request. With a feed it
 * follows the KDC, and has everything that was revoked.
 */
export async function loadBenchService(
  options: Pick<LoadServiceOptions, 'keytab' | 'service'>,
  feed?: BenchFeed,
): Promise<Service> {
  const floor = Date.now() - WINDOW.SERVICE_PAST
  const replayCache = new BoundedReplayCache({ clock: systemClock, floor })
  if (feed === undefined) return loadService({ ...options, replayCache })
  const service = await loadService({ ...options, replayCache, kdc: feed.kdc })
  while (!service.state.ready) await setTimeout(10)
  const { feed: state } = service.state
  if (state?.revocations !== feed.revocations) {
    throw new Error(`the service has ${state?.revocations} revocations, not ${feed.revocations}`)
  }
  return service
}
