import type { Timers } from '../../shared/timers.js'
import type { OpenRealm } from '../realm/realm.js'
import type { Listener } from '../report/report.js'
import type { BackgroundCheck } from '../store/level/background-check.js'
import type { Store } from '../store/store.js'
import { MeasuredKdc, type MeasuredServer } from './measured-kdc.js'
import { MeasuredStore } from './measured-store.js'
import { Meter } from './meter.js'
import type { AuditUse, DatabaseUse, DiskUse, KdcMetrics } from './numbers.js'
import { type Readiness, ReadinessProbe } from './readiness.js'

/** What counts and times a KDC from before its store is opened. */
export interface Measuring {
  readonly meter: Meter
  readonly listeners: readonly Listener[]
  /** To be called once. */
  wrap(store: Store): Store
  measured(): MeasuredStore | undefined
}

/** @param monotonic milliseconds */
export function createMeasuring(monotonic: () => number): Measuring {
  const meter = new Meter()
  let measured: MeasuredStore | undefined
  return {
    meter,
    listeners: [meter.listen],
    wrap: store => {
      measured = new MeasuredStore(store, monotonic)
      return measured
    },
    measured: () => measured,
  }
}

/** What a KDC says of itself while it runs. */
export interface Watching {
  metrics(): Promise<KdcMetrics>
  readiness(): Promise<Readiness>
  canServe(): Promise<boolean>
  /** Resolves when nothing more is read. */
  close(): Promise<void>
}

export interface WatchedParts {
  readonly realm: OpenRealm
  readonly server: MeasuredServer & { readonly use: { readonly listening: boolean } }
  readonly timers: Timers
  readonly measuring: Measuring | undefined
  readonly requireMasterKey: (() => Promise<void>) | undefined
  readonly disk: (() => Promise<DiskUse>) | undefined
  readonly audit?: { use(): AuditUse; requireWritable(): Promise<void> } | undefined
  /** Of a realm in a folder. */
  readonly check?: Pick<BackgroundCheck, 'state'> | undefined
}

export function watchKdc(parts: WatchedParts): Watching {
  const { realm, server, timers, measuring, requireMasterKey, disk, audit, check } = parts
  const probe = new ReadinessProbe({
    realm,
    isListening: () => server.use.listening,
    requireMasterKey,
    disk,
    requireAudit: audit && (() => audit.requireWritable()),
  })
  const store = measuring?.measured()
  const isReady = async (): Promise<boolean> => (await probe.read()).ready
  const measured =
    measuring && store
      ? new MeasuredKdc({
          realm,
          server,
          timers,
          disk,
          isReady,
          store,
          meter: measuring.meter,
          audit: audit && (() => audit.use()),
          database: check && (() => databaseUse(check)),
        })
      : undefined
  return {
    metrics: async () => {
      if (measured !== undefined) return measured.read()
      throw new TypeError('this KDC is not measured: start it with metrics: true')
    },
    readiness: () => probe.read(),
    canServe: () => probe.canServe(),
    close: async () => measured?.close(),
  }
}

function databaseUse({ state }: Pick<BackgroundCheck, 'state'>): DatabaseUse {
  return { isRead: state === 'whole', isDamaged: state === 'damaged' }
}
