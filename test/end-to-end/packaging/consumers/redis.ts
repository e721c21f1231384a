import { Cluster, Redis } from 'ioredis'
import { createRedisReplayCache, type SharedReplayCache } from 'orthrus/replay/redis'
import { loadService, type Service } from 'orthrus/service'
import { createClient, createCluster } from 'redis'

// @ts-expect-error A client is no URL.
export const nothing = () => createRedisReplayCache({ client: 'redis://127.0.0.1' })

export const caches = (): SharedReplayCache[] => [
  createRedisReplayCache({ client: new Redis(), timeout: 100 }),
  createRedisReplayCache({ client: new Cluster([]), maxEntries: 1_000_000 }),
  createRedisReplayCache({ client: createClient() }),
  createRedisReplayCache({ client: createCluster({ rootNodes: [] }), allowEviction: true }),
]

export const load = (replayCache: SharedReplayCache): Promise<Service> =>
  loadService({ keytab: 'orders.keytab', replayCache })
