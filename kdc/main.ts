import { join } from 'node:path'
import type { AdministrationMethod } from '../shared/administration/methods.js'
import { checkedRandom, type RandomSource, systemRandom } from '../shared/crypto/random.js'
import type { Value } from '../shared/encoding/encoding.js'
import { type Logger, silentLogger } from '../shared/logger.js'
import type { RealmName } from '../shared/principal.js'
import { type Clock, systemClock } from '../shared/time.js'
import { systemTimers } from '../shared/timers.js'
import { ownContext } from './admin/context.js'
import { callMethod } from './admin/methods.js'
import { DATA_FILES } from './data-files.js'
import { type KdcOptions, type KdcSettings, requireKdcOptions } from './kdc-options.js'
import { DEFAULT_LIMITS } from './limits/defaults.js'
import { createRateLimits } from './limits/rate-limits.js'
import { reportClock } from './realm/clock-report.js'
import { reportFollowers } from './realm/feed-report.js'
import { KeySchedule } from './realm/key-schedule.js'
import { type OpenRealm, openRealm } from './realm/realm.js'
import { failsafeLogger } from './report/failsafe-logger.js'
import { logListener } from './report/log.js'
import { createReport, type Report } from './report/report.js'
import { openLevelStore } from './store/level/store.js'
import { KdcServer } from './transport/server.js'
import { TrustedProxies } from './transport/trusted-proxies.js'
import { readMasterKey } from './vault/master-key.js'
import { Vault } from './vault/vault.js'

export type { KdcData, KdcOptions, KdcSettings } from './kdc-options.js'

export interface RunningKdc {
  readonly realm: RealmName
  /** The URL that clients connect to, such as `ws://127.0.0.1:8750`. */
  readonly url: string
  readonly address: { readonly host: string; readonly port: number }
  /** How many connections are open. */
  readonly connections: number
  /** The methods of administration (`shared/administration/methods.ts`), without a ticket, for this process only. */
  readonly administration: LocalAdministration
  /** Accepts nothing more, answers pending requests, then closes the store. Further calls return the same promise. */
  close(): Promise<void>
}

/** Calls methods of administration without a channel. */
export interface LocalAdministration {
  /** @throws OrthrusError with a code of the wire */
  call(method: AdministrationMethod, args: readonly Value[]): Promise<readonly Value[]>
}

const LISTEN = { HOST: '127.0.0.1', PORT: 8750 } as const

/**
 * Runs a KDC. It owns the store from now on: `close` closes it, and so does a failure to start.
 * @throws OrthrusError `unavailable` if the store cannot be opened or has no realm, `keytab_invalid` if the master key
 * cannot be read
 */
export async function startKdc(options: KdcOptions): Promise<RunningKdc> {
  requireKdcOptions(options)
  const trustedProxies = trustedProxiesOf(options)
  const { clock = systemClock, timers = systemTimers } = options
  const random = checkedRandom(options.random ?? systemRandom)
  const vault = await openVault(options, random)
  try {
    const realm = await openRealm({ vault, clock, random, timers })
    const report = reportTo(options.logger, clock, realm)
    reportClock(realm.time, report)
    reportFollowers(realm.feed, report)
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const context = {
      realm,
      rates: createRateLimits(limits, () => clock.monotonic(), random),
      timers,
      random,
      report,
    }
    const { allowedOrigins = [], addressOf } = options
    const server = new KdcServer({ context, limits, allowedOrigins, addressOf, trustedProxies })
    const { host = LISTEN.HOST, port = LISTEN.PORT } = options.listen ?? {}
    const address = { host, port: (await server.listen(host, port)).port }
    report.tell({ kind: 'kdc_started', realm: realm.record.realm, ...address })
    const schedule = KeySchedule.start({ realm, timers, report })
    return runningKdc({ realm, server, schedule, report }, address)
  } catch (cause) {
    await vault.close()
    throw cause
  }
}

function trustedProxiesOf({ trustedProxies = [], addressOf }: KdcSettings): TrustedProxies {
  if (trustedProxies.length === 0 || addressOf === undefined) return new TrustedProxies(trustedProxies)
  throw new TypeError('trustedProxies and addressOf exclude each other: pass only one of them')
}

function reportTo(logger: Logger | undefined, clock: Clock, { refusals }: OpenRealm): Report {
  const log = logger === undefined ? [] : [logListener(logger, () => clock.monotonic())]
  return createReport([...log, refusals.listen])
}

async function openVault(options: KdcOptions, random: RandomSource): Promise<Vault> {
  if ('store' in options) return new Vault(options.store, options.masterKey, random)
  const { dataDirectory, allowReadableMasterKey = false } = options
  const logger = failsafeLogger(options.logger ?? silentLogger)
  const keyFile = join(dataDirectory, DATA_FILES.MASTER_KEY)
  const masterKey = options.masterKey ?? (await readMasterKey(keyFile, { allowReadableMasterKey }))
  const store = await openLevelStore(join(dataDirectory, DATA_FILES.DATABASE), { create: false, logger })
  return new Vault(store, masterKey, random)
}

interface KdcParts {
  readonly realm: OpenRealm
  readonly server: KdcServer
  readonly schedule: KeySchedule
  readonly report: Report
}

function runningKdc(parts: KdcParts, address: RunningKdc['address']): RunningKdc {
  const { realm, server, report } = parts
  const own = ownContext(realm, report)
  let closing: Promise<void> | undefined
  const { host, port } = address
  return {
    realm: realm.record.realm,
    url: `ws://${host.includes(':') ? `[${host}]` : host}:${port}`,
    address,
    get connections() {
      return server.connections
    },
    administration: { call: (method, args) => callMethod(own, method, args) },
    close: () => {
      closing ??= close(parts)
      return closing
    },
  }
}

async function close({ realm, server, schedule, report }: KdcParts): Promise<void> {
  // What waits for followers is answered now, and delays nothing.
  realm.feed.close()
  await Promise.all([server.close(), schedule.stop()])
  realm.close()
  await realm.vault.close()
  report.tell({ kind: 'kdc_closed', realm: realm.record.realm })
}
