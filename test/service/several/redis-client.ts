import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { createRedisReplayCache, type SharedReplayCache } from '../../../service/redis.js'
import type { RedisOrder } from './orders.js'

/** A cache as a user makes it, with what the clients do by default: nothing of that may make it unsafe. */
export async function redisCache({ path, client }: RedisOrder): Promise<SharedReplayCache> {
  if (client === 'ioredis') {
    const redis = new Redis(path)
    redis.on('error', () => {})
    return createRedisReplayCache({ client: redis })
  }
  const redis = createClient({ socket: { path, tls: false } })
  redis.on('error', () => {})
  await redis.connect()
  return createRedisReplayCache({ client: redis })
}
