import type { IncomingMessage } from 'node:http'
import type { RandomSource } from '../shared/crypto/random.js'
import type { Logger } from '../shared/logger.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import type { Clock } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import type { Limits, Rate } from './limits/defaults.js'
import type { Store } from './store/store.js'
import type { MasterKey, MasterKeyFileOptions } from './vault/master-key.js'

/** Where the realm is kept: a folder that `orthrus init` made, or a store and the key that its records are under. */
export type KdcData =
  | ({ readonly dataDirectory: string; readonly masterKey?: MasterKey } & MasterKeyFileOptions)
  | { readonly store: Store; readonly masterKey: MasterKey }

export interface KdcSettings {
  /** 127.0.0.1:8750 unless told otherwise; port 0 is any that is free. */
  readonly listen?: { readonly host?: string; readonly port?: number }
  readonly clock?: Clock
  /** For tests. Default: the platform's timers. */
  readonly timers?: Timers
  readonly random?: RandomSource
  /**
   * Tells of tickets issued, requests refused and changes made; pino's loggers fit. Silent unless told otherwise. Where
   * it fails the KDC goes on without it.
   */
  readonly logger?: Logger
  readonly limits?: Partial<Limits>
  /** Origins whose pages may connect from a browser: none unless told otherwise. */
  readonly allowedOrigins?: readonly string[]
  /**
   * Addresses and networks of proxies in front of the KDC, as `10.0.0.0/8`. Their `X-Forwarded-For` and `Forwarded` say
   * where a connection comes from, by which connections and failed logins are counted.
   */
  readonly trustedProxies?: readonly string[]
  /**
   * In place of `trustedProxies`: the client's address as the proxy tells it in some other way. What it reads must come
   * from the proxy, or a flooding client chooses whom it is counted as.
   */
  readonly addressOf?: (request: IncomingMessage) => string
}

export type KdcOptions = KdcData & KdcSettings

const KNOWN: KnownOptions<KdcOptions> = {
  dataDirectory: true,
  allowReadableMasterKey: true,
  store: true,
  masterKey: true,
  listen: true,
  clock: true,
  timers: true,
  random: true,
  logger: true,
  limits: true,
  allowedOrigins: true,
  trustedProxies: true,
  addressOf: true,
}

const KNOWN_LIMITS: KnownOptions<Limits> = {
  connections: true,
  connectionsPerAddress: true,
  connectionsPerClient: true,
  handshake: true,
  concurrency: true,
  channels: true,
  ping: true,
  idle: true,
  drain: true,
  failedLogins: true,
  failedLoginsPerAddress: true,
  failedLoginsPerName: true,
  params: true,
  requestsPerClient: true,
  repeats: true,
}

const KNOWN_RATE: KnownOptions<Rate> = { points: true, interval: true }

/** @throws TypeError for an option of `startKdc` that does not exist */
export function requireKdcOptions(options: KdcOptions): void {
  requireKnownOptions('startKdc', options, KNOWN)
  const { listen, limits } = options
  if (listen !== undefined) requireKnownOptions('listen of startKdc', listen, { host: true, port: true })
  if (limits === undefined) return
  requireKnownOptions('limits of startKdc', limits, KNOWN_LIMITS)
  for (const [name, limit] of Object.entries(limits)) {
    if (typeof limit === 'object') requireKnownOptions(`limit ${name} of startKdc`, limit, KNOWN_RATE)
  }
}
