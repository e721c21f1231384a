import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { onTestFinished } from 'vitest'
import {
  createRedisReplayCache,
  type RedisClient,
  type RedisReplayCacheOptions,
} from '../../../service/redis.js'
import type { OpenReplayCache } from '../../../service/replay/shared-cache.js'
import type { ServiceEvent } from '../../../service/report/events.js'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import { sharedCacheName } from '../../../shared/crypto/lock.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { SECOND, systemClock } from '../../../shared/time.js'
import { systemTimers } from '../../../shared/timers.js'
import { RedisHouse, type RedisServer } from '../../support/redis.js'
import { WEB } from '../realm.js'

/** A server, and processes of one service that share its cache: each has a clock of its own, which it is made with. */

export const CLIENTS = ['ioredis', 'redis'] as const
export type ClientKind = (typeof CLIENTS)[number]

/** How far back the clock of a process is when it starts, so that its own start is over. */
const STARTED = -55 * SECOND

export interface Opened extends OpenReplayCache {
  /** What it reported, by kind. */
  readonly told: ServiceEvent[]
  readonly clock: MovedClock
}

export class MovedClock {
  passed: number
  constructor(passed: number) {
    this.passed = passed
  }

  now = (): number => systemClock.now() + this.passed
  monotonic = (): number => systemClock.monotonic()
}

export class Scene {
  readonly house: RedisHouse
  readonly server: RedisServer
  readonly service = parsePrincipal('orders@demo.example')
  readonly state = `orthrus:{${sharedCacheName(parsePrincipal('orders@demo.example'))}}`

  private constructor(house: RedisHouse, server: RedisServer) {
    this.house = house
    this.server = server
  }

  static async open(...args: string[]): Promise<Scene> {
    const house = await RedisHouse.open()
    return new Scene(house, await house.start(...args))
  }

  async client(kind: ClientKind = 'ioredis'): Promise<RedisClient> {
    return await connectRedis(kind, this.house.path)
  }

  /** A process whose start is over. @param passed how far its clock is ahead, milliseconds */
  async join({
    client,
    passed = 0,
    ...options
  }: Partial<RedisReplayCacheOptions> & { passed?: number } = {}) {
    const opened = await this.start({ passed: STARTED, ...options, ...(client && { client }) })
    await this.server.passStart()
    opened.clock.passed = passed
    // What it remembers of the time of the server is by the clock that it has now.
    await opened.admit(request({ time: 0 }))
    return opened
  }

  async start({
    client,
    passed = 0,
    ...options
  }: Partial<RedisReplayCacheOptions> & { passed?: number } = {}) {
    const told: ServiceEvent[] = []
    const clock = new MovedClock(passed)
    // A busy machine may take its time, except where a test is about that.
    const settings = { timeout: 10 * SECOND, ...options }
    const shared = createRedisReplayCache({ client: client ?? (await this.client()), ...settings })
    const cache = await shared.openReplayCache({
      service: this.service,
      clock,
      timers: systemTimers,
      report: event => void told.push(event),
    })
    onTestFinished(() => cache.close())
    const opened: Opened = {
      admit: request => cache.admit(request),
      close: () => cache.close(),
      get floor() {
        return cache.floor as number
      },
      told,
      clock,
    }
    return opened
  }
}

export async function connectRedis(kind: ClientKind, path: string): Promise<RedisClient> {
  if (kind === 'ioredis') {
    const client = new Redis(path, { retryStrategy: () => 5 })
    client.on('error', () => {})
    onTestFinished(() => client.disconnect())
    return client
  }
  const client = createClient({ socket: { path, tls: false, reconnectStrategy: () => 5 } })
  client.on('error', () => {})
  onTestFinished(() => client.destroy())
  await client.connect()
  return client
}

export function request(more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  const time = systemClock.now()
  return { id: systemRandom(16), time, presenter: WEB, endTime: time + 600 * SECOND, ...more }
}

export async function admit(cache: OpenReplayCache, asked: AdmissionRequest): Promise<string> {
  return (await cache.admit(asked)).refusal ?? 'accepted'
}

export function kinds({ told }: Opened): string[] {
  return told.map(({ kind }) => kind)
}
