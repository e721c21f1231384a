/** `orthrus/replay/redis`: a replay cache that all processes of a service share through Redis or Valkey. */

import { copyOptions } from '../shared/options.js'
import { runnerOf } from './redis/clients.js'
import { REDIS_OPTIONS, type RedisReplayCacheOptions, requireRedisOptions } from './redis/options.js'
import { RedisReplayCache } from './redis/redis-cache.js'
import type { SharedReplayCache } from './replay/shared-cache.js'

export type { IoredisClient, NodeRedisClient, RedisClient } from './redis/clients.js'
export type { RedisReplayCacheOptions } from './redis/options.js'
export type { SharedReplayCache } from './replay/shared-cache.js'

/**
 * For `loadService({ replayCache })` of each process of a service, on any number of machines: each request is accepted
 * once among all of them. All must use the same server or cluster (docs/several-processes.md). Whoever can write to it
 * can have a request accepted again.
 * @throws TypeError if an option does not exist or cannot be meant so
 */
export function createRedisReplayCache(options: RedisReplayCacheOptions): SharedReplayCache {
  requireRedisOptions(options)
  const { client } = options
  runnerOf(client)
  const settings = { ...copyOptions(options, REDIS_OPTIONS), client }
  return {
    async openReplayCache(parts) {
      const cache = new RedisReplayCache(settings, parts)
      await cache.begin()
      return cache
    },
  }
}
