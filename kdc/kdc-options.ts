import type { IncomingMessage } from 'node:http'
import type { RandomSource } from '../shared/crypto/random.js'
import { requireOrigins } from '../shared/http/origins.js'
import type { Logger } from '../shared/logger.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import type { Clock } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import type { AuditSettings } from './audit-settings.js'
import { AUDIT_BOUNDS, DEFAULT_LIMITS, type Limits, type Rate } from './limits/defaults.js'
import type { Store } from './store/store.js'
import type { TlsIdentity } from './transport/tls.js'
import type { MasterKey, MasterKeyFileOptions } from './vault/master-key.js'
import type { MasterKeys } from './vault/sealed-records.js'

/**
 * Where the realm is stored: a folder that `orthrus init` made, or a store and the key that its records are sealed
 * with.
 */
export type KdcData =
  | ({
      readonly dataDirectory: string
      readonly masterKey?: MasterKey
      /** The file that `masterKey` came from, if a rotation of it may change the file. */
      readonly masterKeyFile?: string
    } & PreviousMasterKey &
      MasterKeyFileOptions)
  | ({ readonly store: Store; readonly masterKey: MasterKey } & PreviousMasterKey)

export interface PreviousMasterKey {
  /** The key before `masterKey`, until `orthrus master-key rotate` has sealed every record under the new one. */
  readonly previousMasterKey?: MasterKey | undefined
}

export interface KdcSettings {
  /**
   * Default: 127.0.0.1:8750. Port 0 means any free port. `fd` is a TCP socket that another process opened and handed
   * over.
   */
  readonly listen?: { readonly host?: string; readonly port?: number } | { readonly fd: number }
  readonly clock?: Clock
  /** For tests. Default: the platform's timers. */
  readonly timers?: Timers
  readonly random?: RandomSource
  /**
   * Gets a line for each ticket issued, request refused and change made; pino's loggers fit. Default: no log. If the
   * logger fails, the KDC goes on without it.
   */
  readonly logger?: Logger
  readonly limits?: Partial<Limits>
  /** Whether to count and time what the KDC does, for `RunningKdc.metrics`. Default: false, and then it costs nothing. */
  readonly metrics?: boolean
  /**
   * Reads the master key again from where it came from, so that `readiness` notices when it is gone. Default: from the
   * file in the data folder, if it came from there.
   */
  readonly rereadMasterKey?: () => Promise<MasterKeys>
  /** The room that the disk of the data folder must have left for `readiness`, bytes. Default: 64 MiB. */
  readonly diskRoom?: number
  /**
   * The audit log: who got which ticket, by which rule, and who administered what, in lines that cannot be changed
   * unseen. False keeps none. Default: it is kept, if the realm is in a data folder, or a folder for it is named.
   */
  readonly audit?: AuditSettings | false
  /** Origins whose pages may connect from a browser. Default: none. */
  readonly allowedOrigins?: readonly string[]
  /**
   * Addresses and networks of proxies in front of the KDC, such as `10.0.0.0/8`. Their `X-Forwarded-For` and
   * `Forwarded` headers say which address a connection comes from, for the limits per address.
   */
  readonly trustedProxies?: readonly string[]
  /**
   * In place of `trustedProxies`: reads the client's address where the proxy sends it in another way. It must read only
   * what the proxy wrote; otherwise a flooding client chooses the address that it is counted under.
   */
  readonly addressOf?: (request: IncomingMessage) => string
  /** Certificate and key for TLS on the listener itself, as PEM. Default: none, for loopback or behind a proxy. */
  readonly tls?: TlsIdentity
}

export type KdcOptions = KdcData & KdcSettings

const KNOWN: KnownOptions<KdcOptions> = {
  dataDirectory: true,
  allowReadableMasterKey: true,
  store: true,
  masterKey: true,
  masterKeyFile: true,
  previousMasterKey: true,
  listen: true,
  clock: true,
  timers: true,
  random: true,
  logger: true,
  limits: true,
  metrics: true,
  rereadMasterKey: true,
  diskRoom: true,
  audit: true,
  allowedOrigins: true,
  trustedProxies: true,
  addressOf: true,
  tls: true,
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
  feedCallsPerClient: true,
  keyChangesPerClient: true,
  actsPerOwner: true,
  repeats: true,
  recordsInMemory: true,
}

const KNOWN_LISTEN: KnownOptions<NonNullable<KdcSettings['listen']>> = { host: true, port: true, fd: true }

const KNOWN_RATE: KnownOptions<Rate> = { points: true, interval: true }

/** @throws TypeError for an option of `startKdc` that does not exist, or a limit that is no whole number from 1 */
export function requireKdcOptions(options: KdcOptions): void {
  requireKnownOptions('startKdc', options, KNOWN)
  const { listen, limits, audit, metrics = false, diskRoom = 1, allowedOrigins = [] } = options
  if (typeof metrics !== 'boolean') throw new TypeError('metrics of startKdc is true or false')
  requireWhole('diskRoom of startKdc', diskRoom)
  if (audit !== undefined && audit !== false) requireAuditSettings(audit)
  requireOrigins('allowedOrigins of startKdc', allowedOrigins)
  if (listen !== undefined) requireKnownOptions('listen of startKdc', listen, KNOWN_LISTEN)
  if (limits === undefined) return
  requireKnownOptions('limits of startKdc', limits, KNOWN_LIMITS)
  for (const [name, limit] of Object.entries(limits)) {
    const isRate = typeof DEFAULT_LIMITS[name as keyof Limits] === 'object'
    const label = `limit ${name} of startKdc`
    if (!isRate) requireWhole(label, limit)
    else {
      const rate = limit as Rate
      requireKnownOptions(label, rate, KNOWN_RATE)
      for (const part of ['points', 'interval'] as const) requireWhole(`${part} of ${label}`, rate[part])
    }
  }
}

function requireAuditSettings(settings: AuditSettings): void {
  requireKnownOptions<AuditSettings>('audit of startKdc', settings, {
    directory: true,
    maxAge: true,
    maxBytes: true,
  })
  const { maxAge = AUDIT_BOUNDS.MAX_AGE_MIN, maxBytes = AUDIT_BOUNDS.MAX_BYTES_MIN } = settings
  if (!Number.isSafeInteger(maxAge) || maxAge < AUDIT_BOUNDS.MAX_AGE_MIN)
    throw new TypeError('maxAge of the audit log is a number of milliseconds, a day at least')
  if (!Number.isSafeInteger(maxBytes) || maxBytes < AUDIT_BOUNDS.MAX_BYTES_MIN)
    throw new TypeError('maxBytes of the audit log is a number of bytes, a MiB at least')
}

/** A limit of 0 would refuse everybody, and one that is no number would refuse nobody. */
function requireWhole(name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return
  throw new TypeError(
    `${name} is a whole number from 1, not ${typeof value === 'number' ? value : typeof value}`,
  )
}
