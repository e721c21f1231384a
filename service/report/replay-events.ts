/** What a service reports of its replay cache, and of the clock and the state that the floor goes by. */

/** The machine's clock moved differently from its monotonic clock. Times in milliseconds. */
export interface ClockEvent {
  readonly kind: 'clock_went_back' | 'clock_leapt'
  readonly now: number
  /** Nothing stamped at or below it is accepted. */
  readonly floor: number
}

/** The replay cache had to forget, so requests stamped at or below the floor are refused. Times in milliseconds. */
export interface ReplayCacheFullEvent {
  readonly kind: 'replay_cache_full'
  readonly now: number
  readonly floor: number
}

/** What the last end left cannot be used, or this end could leave nothing. The six seconds of a start stand. */
export interface StateEvent {
  readonly kind: 'state_not_used' | 'state_not_saved'
  readonly err: unknown
}

/** No process of this machine answers for the replay cache that this one shares. Told once until one does. */
export interface SharedCacheAwayEvent {
  readonly kind: 'shared_cache_away'
}

/** How the Redis server of a shared replay cache stands. */
export type RedisEvent = RedisAwayEvent | RedisForgotEvent | RedisEvictsEvent | RedisClockEvent

/** It does not answer, or not as it should. Told once until it does. */
export interface RedisAwayEvent {
  readonly kind: 'redis_away'
  readonly reason: string
}

/**
 * It lost what it had, or is another one; or the service's share of it is full. Requests stamped at or below the floor are
 * refused, and if it is full, all of them. Times in milliseconds, by the server's clock.
 */
export interface RedisForgotEvent {
  readonly kind: 'redis_forgot' | 'redis_full'
  readonly now: number
  readonly floor: number
}

/** It removes keys when its memory is full. */
export interface RedisEvictsEvent {
  readonly kind: 'redis_evicts'
  /** Its `maxmemory-policy`. */
  readonly policy: string
}

/** Its clock and that of this process are more than a minute apart. */
export interface RedisClockEvent {
  readonly kind: 'redis_clock_apart'
  /** How far the process's own clock is ahead, milliseconds. */
  readonly ahead: number
}
