import type { ReplayCache } from '../shared/accept/replay.js'
import { requireRotation } from '../shared/keytab/rotation-option.js'
import type { Logger } from '../shared/logger.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import { requireOnEvent, requireTracing } from '../shared/telemetry/options.js'
import type { Tracing } from '../shared/telemetry/tracing.js'
import type { Clock } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import { FEED_OPTIONS, type FeedOptions } from './feed/feed-options.js'
import { JOIN_OPTIONS, type JoinOptions } from './feed/join-options.js'
import type { SharedReplayCache } from './replay/shared-cache.js'
import type { ServiceTelemetryEvent } from './report/events.js'

/** The options of `loadService`, and what they cannot be. */

export interface LoadServiceOptions extends FeedOptions, JoinOptions {
  /** The path of a keytab, or its text. */
  readonly keytab: string | { readonly text: string }
  /** Which of the keytab's principals. A short name means its realm. May be left out if the keytab has only one. */
  readonly service?: string
  /** Takes a keytab file that others can read, as containers mount secrets. Default false. */
  readonly allowReadableKeytab?: boolean
  /**
   * `automatic`: the key is changed in the keytab file when the KDC says that it is due, without interrupting anything.
   * Needs `kdc` or `join`, and a folder of the keytab that can be written; this must be the only copy of the keytab
   * (docs/protocol.md section 12). By default the key stays as it is.
   */
  readonly rotation?: 'automatic'
  /** Default: the machine's clocks. */
  readonly clock?: Clock
  /** Default: warnings and errors go to standard error, a few lines a minute. A pino logger fits. */
  readonly logger?: Logger
  /**
   * Called with everything that this service does: `accepted`, `refused`, `replayed` and the other events of
   * docs/telemetry.md. What it throws harms no request, and is logged once.
   */
  readonly onEvent?: (event: ServiceTelemetryEvent) => void
  /** Records exchanges as spans: `createTracing` of `orthrus/opentelemetry` gives one (docs/telemetry.md). Default: none. */
  readonly tracing?: Tracing
  /**
   * Its size in bytes (default 64 MiB), and `shared: 'machine'` if all processes of the service on this machine share one
   * (docs/several-processes.md). Or what `createRedisReplayCache` of `orthrus/replay/redis` gives, if processes of several
   * machines share one. Or a cache of your own that several processes with one key share: among all of them it must admit
   * each request once, with one floor (docs/protocol.md section 8, "Floor").
   */
  readonly replayCache?:
    | { readonly maxBytes?: number; readonly shared?: 'machine' }
    | SharedReplayCache
    | ReplayCache
  /**
   * The path of a file in which `service.close()` leaves what the next start needs to accept at once, instead of nothing
   * stamped in its first six seconds. Of this process alone; it is removed when it is read, so that a start after any
   * other end has the six seconds. Not with a replay cache that is shared, nor with `allowReplayAcrossProcesses`.
   */
  readonly state?: string
  /**
   * Serves although another process of this machine may serve under the same key, with a replay cache of its own: each of
   * them accepts a copy of the same request. For tests that start a service twice. Default false.
   */
  readonly allowReplayAcrossProcesses?: boolean
  /** How many opened tickets are remembered. Default 4096. */
  readonly ticketCache?: { readonly entries?: number }
  /** For tests. Default: the platform's timers. */
  readonly timers?: Timers
}

export const LOAD_OPTIONS: KnownOptions<LoadServiceOptions> = {
  keytab: true,
  service: true,
  allowReadableKeytab: true,
  rotation: true,
  clock: true,
  logger: true,
  onEvent: true,
  tracing: true,
  replayCache: true,
  state: true,
  allowReplayAcrossProcesses: true,
  ticketCache: true,
  timers: true,
  ...FEED_OPTIONS,
  ...JOIN_OPTIONS,
}

export const REPLAY_CACHE = { maxBytes: true, shared: true } as const
export const TICKET_CACHE = { entries: true } as const

/** @throws TypeError if an option cannot be meant so */
export function requireLoadOptions(options: LoadServiceOptions): void {
  const { keytab, replayCache = {}, ticketCache = {} } = options
  if (typeof keytab === 'object' && keytab !== null) {
    requireKnownOptions('keytab of loadService', keytab, { text: true })
  }
  if (!isReplayCache(replayCache) && !isSharedReplayCache(replayCache)) {
    requireKnownOptions('replayCache of loadService', replayCache, REPLAY_CACHE)
    if (replayCache.shared !== undefined && replayCache.shared !== 'machine') {
      throw new TypeError("shared, of replayCache of loadService, is 'machine'")
    }
  }
  requireKnownOptions('ticketCache of loadService', ticketCache, TICKET_CACHE)
  requireOnEvent('loadService', options.onEvent)
  requireTracing('loadService', options.tracing)
  requireRotation('loadService', options)
  if (options.rotation !== undefined && options.kdc === undefined) {
    throw new TypeError('rotation of loadService needs kdc: the URL of the KDC that the key is changed at')
  }
  const { allowReplayAcrossProcesses } = options
  requireStateOption(options)
  if (allowReplayAcrossProcesses !== undefined && typeof allowReplayAcrossProcesses !== 'boolean') {
    throw new TypeError('allowReplayAcrossProcesses of loadService is true or false')
  }
}

function requireStateOption({ state, replayCache, allowReplayAcrossProcesses }: LoadServiceOptions): void {
  if (state === undefined) return
  if (typeof state !== 'string' || state === '')
    throw new TypeError('state of loadService is the path of a file')
  if (isShared(replayCache) || allowReplayAcrossProcesses === true) {
    throw new TypeError(
      'state of loadService is for a process that serves alone: what others accepted it cannot tell',
    )
  }
}

/** Whether other processes may have it too. */
export function isShared(option: LoadServiceOptions['replayCache']): boolean {
  return isReplayCache(option) || isSharedReplayCache(option) || option?.shared !== undefined
}

export function isSharedReplayCache(option: LoadServiceOptions['replayCache']): option is SharedReplayCache {
  return typeof option === 'object' && option !== null && 'openReplayCache' in option
}

export function isReplayCache(option: LoadServiceOptions['replayCache']): option is ReplayCache {
  return typeof option === 'object' && option !== null && 'admit' in option
}
