import type { Timers } from '../../shared/timers.js'
import type { OpenRealm } from '../realm/realm.js'
import type { CacheUse } from '../realm/record-cache.js'
import { MEASURED_EXCHANGES, type MeasuredExchange } from '../report/measures.js'
import { type Census, type KindCount, PRINCIPAL_KINDS, type PrincipalKind } from './census.js'
import { LoopLag } from './loop-lag.js'
import type { MeasuredStore } from './measured-store.js'
import type { Meter } from './meter.js'
import type { AuditUse, DatabaseUse, DiskUse, ExchangeUse, KdcMetrics, PrincipalsUse } from './numbers.js'
import { PrincipalCount } from './principal-count.js'

/** What a server has and had, as far as it is measured. */
export interface MeasuredServer {
  readonly use: {
    readonly connections: number
    readonly accepted: number
    readonly channels: number
    readonly tgts: CacheUse
  }
}

export interface MeasuredParts {
  readonly meter: Meter
  readonly store: MeasuredStore
  readonly realm: OpenRealm
  readonly server: MeasuredServer
  readonly timers: Timers
  readonly isReady: () => Promise<boolean>
  readonly disk: (() => Promise<DiskUse>) | undefined
  readonly audit?: (() => AuditUse) | undefined
  readonly database?: (() => DatabaseUse) | undefined
}

/** A KDC that is measured: its numbers, put together when somebody asks. */
export class MeasuredKdc {
  readonly #parts: MeasuredParts
  readonly #principals: PrincipalCount
  readonly #lag: LoopLag

  constructor(parts: MeasuredParts) {
    const { realm, timers } = parts
    this.#parts = parts
    this.#principals = new PrincipalCount(realm, timers)
    this.#lag = new LoopLag(timers, () => realm.time.monotonic())
  }

  /** Never rejects. */
  async read(): Promise<KdcMetrics> {
    const { isReady, disk } = this.#parts
    const [census, ready, room] = await Promise.all([
      this.#principals.read(),
      isReady(),
      // Whether it can be read is for `readiness` to say.
      disk?.().catch(() => null),
    ])
    const replica = this.#replica()
    return {
      ...this.#counted(),
      ...this.#present(),
      ...this.#ofRealm(census),
      replica,
      disk: room ?? null,
      ready,
    }
  }

  /** Resolves when it reads nothing more. */
  async close(): Promise<void> {
    this.#lag.stop()
    await this.#principals.close()
  }

  #counted(): Pick<KdcMetrics, 'exchanges' | 'granted' | 'denied' | 'repeated' | 'failures' | 'limited'> {
    const { answers, latencies, granted, denied, once, failures, limits } = this.#parts.meter
    const used = MEASURED_EXCHANGES.map((exchange): [MeasuredExchange, ExchangeUse] => [
      exchange,
      { answers: { ...answers[exchange] }, latency: latencies[exchange].read() },
    ])
    return {
      exchanges: Object.fromEntries(used) as Record<MeasuredExchange, ExchangeUse>,
      granted: { ...granted },
      denied: { ...denied },
      repeated: once.repeats,
      failures: { ...failures },
      limited: { ...limits },
    }
  }

  #present(): Pick<
    KdcMetrics,
    'connections' | 'channels' | 'store' | 'caches' | 'loopLag' | 'audit' | 'database'
  > {
    const { meter, server, store, realm, audit, database } = this.#parts
    const { once, refusals, closings } = meter
    const { connections, accepted, channels, tgts } = server.use
    return {
      connections: {
        open: connections,
        accepted,
        refused: { ...refusals },
        closed: { ...closings },
        handshakesRefused: once.handshakesRefused,
        failed: once.connectionsFailed,
        notAccepted: once.acceptsFailed,
      },
      channels: { open: channels, broken: once.brokenChannels },
      store: store.use,
      caches: { ...realm.directory.use, tgts },
      loopLag: this.#lag.read(),
      audit: audit?.() ?? null,
      database: database?.() ?? null,
    }
  }

  #ofRealm(
    census: Census | undefined,
  ): Pick<
    KdcMetrics,
    'followers' | 'revocations' | 'changes' | 'principals' | 'clock' | 'keyScheduleFailures'
  > {
    const { realm, meter } = this.#parts
    const { once, changes } = meter
    const { followers, behind, silentFor } = realm.feed.following
    const { oldest, newest } = realm.revocations
    return {
      followers: { connected: followers, behind, silentFor, doubled: once.doubledFollowers },
      revocations: { entries: newest - oldest + 1, newest },
      changes: { made: new Map(changes), uncertain: once.uncertainChanges },
      principals: census === undefined ? null : this.#principalsOf(census),
      clock: { leaps: once.clockLeaps, leapt: realm.time.look().leapt },
      keyScheduleFailures: once.keyScheduleFailures,
    }
  }

  #replica(): KdcMetrics['replica'] {
    const { meter, realm } = this.#parts
    const { replica } = realm.vault
    if (replica === undefined) return null
    return { isCurrent: replica.isCurrent(), members: replica.members.length, notices: { ...meter.replica } }
  }

  #principalsOf(census: Census): Record<PrincipalKind, PrincipalsUse> {
    const now = this.#parts.realm.time.now()
    const useOf = ({ principals, oldestKeyFrom, keysDue }: KindCount): PrincipalsUse => ({
      count: principals,
      oldestKeyAge: oldestKeyFrom === null ? null : Math.max(0, now - oldestKeyFrom),
      keysDue,
    })
    const used = PRINCIPAL_KINDS.map(kind => [kind, useOf(census[kind])] as const)
    return Object.fromEntries(used) as Record<PrincipalKind, PrincipalsUse>
  }
}
