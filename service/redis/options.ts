import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { shown } from '../../shared/shown-text.js'
import { SECOND } from '../../shared/time.js'
import type { RedisClient } from './clients.js'

export interface RedisReplayCacheOptions {
  /**
   * Your own client of `ioredis`, `iovalkey` or `redis`, of one server or of a cluster. It stays yours: nothing here
   * connects or closes it.
   */
  readonly client: RedisClient
  /** How long the server may take to answer, milliseconds. After that the request is refused. Default 1000. */
  readonly timeout?: number
  /**
   * About how many requests of the last minute are remembered at most, about 90 bytes each. One client may fill a quarter.
   * Default 4,000,000, which is 30,000 requests a second.
   */
  readonly maxEntries?: number
  /**
   * Goes on with a server whose `maxmemory-policy` removes keys when its memory is full. It is noticed when one of these is
   * removed, and costs the six seconds of a start each time. Default false.
   */
  readonly allowEviction?: boolean
}

export const REDIS_OPTIONS: KnownOptions<RedisReplayCacheOptions> = {
  client: true,
  timeout: true,
  maxEntries: true,
  allowEviction: true,
}

/** Tuning, not protocol. */
export const TIMEOUT_DEFAULT = SECOND
export const MAX_ENTRIES_DEFAULT = 4_000_000
const TIMEOUT_MAX = 10 * SECOND
/** With fewer, a quarter of a half would round to nothing. */
const MAX_ENTRIES_LEAST = 1_000

/** @throws TypeError if an option does not exist or cannot be meant so */
export function requireRedisOptions(options: RedisReplayCacheOptions): void {
  requireKnownOptions('createRedisReplayCache', options, REDIS_OPTIONS)
  const { timeout = TIMEOUT_DEFAULT, maxEntries = MAX_ENTRIES_DEFAULT, allowEviction = false } = options
  if (!(Number.isSafeInteger(timeout) && timeout > 0 && timeout <= TIMEOUT_MAX)) {
    throw new TypeError(
      `timeout of createRedisReplayCache is 1 to ${TIMEOUT_MAX} milliseconds, not ${shown(timeout)}`,
    )
  }
  if (!(Number.isSafeInteger(maxEntries) && maxEntries >= MAX_ENTRIES_LEAST)) {
    throw new TypeError(
      `maxEntries of createRedisReplayCache is at least ${MAX_ENTRIES_LEAST}, not ${shown(maxEntries)}`,
    )
  }
  if (typeof allowEviction !== 'boolean') {
    throw new TypeError('allowEviction of createRedisReplayCache is true or false')
  }
}
