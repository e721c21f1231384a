import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { AdministrationMethod } from '../shared/administration/methods.js'
import { checkedRandom, systemRandom } from '../shared/crypto/random.js'
import type { Value } from '../shared/encoding/encoding.js'
import type { OrthrusError } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import type { RealmName } from '../shared/principal.js'
import { type Clock, systemClock } from '../shared/time.js'
import { systemTimers, type Timers } from '../shared/timers.js'
import { ownContext } from './admin/context.js'
import { callMethod } from './admin/methods.js'
import { type AuditParts, startAudit } from './audit-settings.js'
import { DATA_FILES } from './data-files.js'
import { endOnDamage } from './end-on-damage.js'
import { type KdcOptions, type KdcSettings, requireKdcOptions } from './kdc-options.js'
import { DEFAULT_LIMITS, DISK_ROOM } from './limits/defaults.js'
import { createRateLimits, type OnLimited, type RateLimits } from './limits/rate-limits.js'
import { createMeasuring, type Measuring, type Watching, watchKdc } from './metrics/measuring.js'
import type { DiskUse, KdcMetrics } from './metrics/numbers.js'
import { type Readiness, roomIn } from './metrics/readiness.js'
import { reportClock } from './realm/clock-report.js'
import { reportFollowers } from './realm/feed-report.js'
import { KeySchedule } from './realm/key-schedule.js'
import { type OpenRealm, openRealm } from './realm/realm.js'
import { reportReplica } from './realm/replica-report.js'
import type { Audit } from './report/audit/audit.js'
import { AUDIT_FILES } from './report/audit/files.js'
import type { AuditState } from './report/audit/writer.js'
import { logListener } from './report/log.js'
import { createReport, type Listener, type Report } from './report/report.js'
import type { BackgroundCheck } from './store/level/background-check.js'
import { KdcServer } from './transport/server.js'
import type { TlsIdentity } from './transport/tls.js'
import { TrustedProxies } from './transport/trusted-proxies.js'
import { rewrapAuditKey } from './vault/audit-key.js'
import { vaultFor } from './vault-for.js'

export type { AuditSettings } from './audit-settings.js'
export type { KdcData, KdcOptions, KdcSettings } from './kdc-options.js'
export type { AuditState } from './report/audit/writer.js'

export interface RunningKdc {
  readonly realm: RealmName
  /** The URL that clients connect to, such as `ws://127.0.0.1:8750`; `wss:` with TLS. */
  readonly url: string
  readonly address: { readonly host: string; readonly port: number }
  /** How many connections are open. */
  readonly connections: number
  /**
   * What the KDC has counted, and how it is now. `orthrus kdc --metrics` shows the same numbers.
   * @throws TypeError unless it was started with `metrics: true`
   */
  metrics(): Promise<KdcMetrics>
  /**
   * Whether it can do all of its work: its store can be read and written, the master key is where it was, the disk has
   * room. Looked at again once a second has passed. Never rejects.
   */
  readiness(): Promise<Readiness>
  /** Whether it can grant tickets: it listens, and its store can be read. Never rejects. */
  canServe(): Promise<boolean>
  /**
   * Takes a WebSocket whose handshake came to another listener of this process, over a socket on which nothing else was
   * asked, as if it had come to the KDC's own: its limits hold, and it counts for its address.
   * @param origin of the only pages that may connect so, such as `https://console.example`
   */
  acceptUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, origin: string): void
  /** The methods of administration (`shared/administration/methods.ts`), without a ticket, for this process only. */
  readonly administration: LocalAdministration
  /**
   * Shows another certificate from now on. Connections that are open go on under the one that they have.
   * @throws TypeError if the KDC was started without `tls`
   * @throws OrthrusError `unavailable` if the new ones cannot be used; the old ones stay
   */
  renewTls(identity: TlsIdentity): void
  /** What is known of the audit log; `undefined` if there is none. */
  readonly audit: AuditState | undefined
  /** Accepts nothing more, answers pending requests, then closes the store. Further calls return the same promise. */
  close(): Promise<void>
  /**
   * Resolves when the KDC has closed because its database turned out to be damaged, with what is wrong and what to do.
   * Otherwise it stays pending.
   */
  readonly damaged: Promise<OrthrusError>
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
  const measuring = options.metrics === true ? createMeasuring(() => clock.monotonic()) : undefined
  const { vault, keys, requireMasterKey, check } = await vaultFor(options, random, measuring)
  let audit: Audit | undefined
  try {
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const realm = await openRealm({ vault, clock, random, timers, records: limits.recordsInMemory })
    const listeners = listenersOf(options.logger, clock, realm, measuring)
    const report = createReport(listeners)
    const tell = report.tell.bind(report)
    audit = await auditOf(options, {
      keys,
      onRotation: rewrap => vault.onRotation(rewrap),
      clock,
      timers,
      random,
      tell,
      replica: vault.replica?.id,
    })
    if (audit !== undefined) listeners.push(audit.listener)
    reportClock(realm.time, report)
    reportFollowers(realm.feed, report)
    reportReplica(realm.vault, report)
    const measures = measuring?.meter
    const onLimited: OnLimited = limit => measures?.limited(limit)
    const rates = createRateLimits(limits, () => clock.monotonic(), random, onLimited)
    const context = {
      realm,
      rates,
      timers,
      random,
      report,
      measures,
      audit,
    }
    const { allowedOrigins = [], addressOf, tls } = options
    const server = new KdcServer({ context, limits, allowedOrigins, addressOf, trustedProxies, tls })
    const address = await listen(server, options.listen)
    report.tell({ kind: 'kdc_started', realm: realm.record.realm, ...address })
    const schedule = KeySchedule.start({ realm, timers, report })
    const disk = diskOf(options)
    const watching = watchKdc({ realm, server, timers, measuring, requireMasterKey, disk, audit, check })
    const scheme = tls === undefined ? 'ws' : 'wss'
    return runningKdc(
      { realm, server, schedule, report, audit, rates, watching, check, timers },
      address,
      scheme,
    )
  } catch (cause) {
    await vault.close()
    await audit?.close()
    throw cause
  }
}

async function listen(server: KdcServer, place: KdcSettings['listen'] = {}): Promise<RunningKdc['address']> {
  if ('fd' in place) {
    const { address, port } = await server.listen({ fd: place.fd })
    return { host: address, port }
  }
  const { host = LISTEN.HOST, port = LISTEN.PORT } = place
  return { host, port: (await server.listen({ host, port })).port }
}

function trustedProxiesOf({ trustedProxies = [], addressOf }: KdcSettings): TrustedProxies {
  if (trustedProxies.length === 0 || addressOf === undefined) return new TrustedProxies(trustedProxies)
  throw new TypeError('trustedProxies and addressOf exclude each other: pass only one of them')
}

function listenersOf(
  logger: Logger | undefined,
  clock: Clock,
  { refusals, vault }: OpenRealm,
  measuring: Measuring | undefined,
): Listener[] {
  const log = logger === undefined ? [] : [logListener(logger, () => clock.monotonic(), vault.replica?.id)]
  return [...log, refusals.listen, ...(measuring?.listeners ?? [])]
}

/** A realm in a folder has its audit log there, if nothing else is said. */
async function auditOf(
  options: KdcOptions,
  parts: Omit<AuditParts, 'directory' | 'settings'>,
): Promise<Audit | undefined> {
  const usual = 'store' in options ? undefined : join(options.dataDirectory, DATA_FILES.AUDIT)
  const settings = options.audit === false ? undefined : (options.audit ?? {})
  const directory = settings?.directory ?? usual
  // A log that is not written at the moment is to be read later.
  if (usual !== undefined && (settings === undefined || directory !== usual)) {
    const { onRotation, random } = parts
    onRotation(changed => rewrapAuditKey(join(usual, AUDIT_FILES.KEY), changed, random))
  }
  if (settings === undefined) return undefined
  return directory === undefined ? undefined : startAudit({ directory, settings, ...parts })
}

function diskOf(options: KdcOptions): (() => Promise<DiskUse>) | undefined {
  if (!('dataDirectory' in options)) return undefined
  const { dataDirectory, diskRoom = DISK_ROOM } = options
  return () => roomIn(dataDirectory, diskRoom)
}

interface KdcParts {
  readonly realm: OpenRealm
  readonly server: KdcServer
  readonly schedule: KeySchedule
  readonly report: Report
  readonly audit: Audit | undefined
  readonly rates: RateLimits
  readonly watching: Watching
  readonly check: BackgroundCheck | undefined
  readonly timers: Timers
}

function runningKdc(parts: KdcParts, address: RunningKdc['address'], scheme: 'ws' | 'wss'): RunningKdc {
  const { realm, server, report, audit, rates, watching, check, timers } = parts
  const own = ownContext(realm, report, audit, rates)
  let closing: Promise<void> | undefined
  const closeOnce = (): Promise<void> => {
    closing ??= close(parts)
    return closing
  }
  const { host, port } = address
  return {
    realm: realm.record.realm,
    url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    address,
    get connections() {
      return server.connections
    },
    metrics: () => watching.metrics(),
    readiness: () => watching.readiness(),
    canServe: () => watching.canServe(),
    renewTls: identity => server.renewTls(identity),
    acceptUpgrade: (request, socket, head, origin) => server.acceptUpgrade(request, socket, head, origin),
    administration: { call: (method, args) => callMethod(own, method, args) },
    get audit() {
      return audit?.state
    },
    close: closeOnce,
    damaged: endOnDamage({ check, report, timers, close: closeOnce }),
  }
}

async function close(parts: KdcParts): Promise<void> {
  const { realm, server, schedule, report, audit, watching, check } = parts
  // What waits for followers is answered now, and delays nothing.
  realm.feed.close()
  audit?.endWaits()
  await Promise.all([server.close(), schedule.stop(), watching.close()])
  realm.close()
  await realm.vault.close()
  await audit?.mark()
  const why = check?.state === 'damaged' ? { reason: 'ended because its database is damaged' } : {}
  report.tell({ kind: 'kdc_closed', realm: realm.record.realm, ...why })
  await audit?.close()
}
