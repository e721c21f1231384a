import type { TicketOpener } from '../../shared/accept/presented-ticket.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import type { Tracing } from '../../shared/telemetry/tracing.js'
import { type Clock, SECOND } from '../../shared/time.js'
import { sleep, type Timers } from '../../shared/timers.js'
import type { ServiceKeys } from '../keys.js'
import type { Report } from '../report/events.js'
import type { ServiceTelemetry } from '../report/telemetry.js'
import type { ServiceGauges, ServiceMetrics } from './metrics.js'
import type { PeersWithoutTicket } from './peers-without-ticket.js'
import type { Revocation } from './revocation.js'
import type { Background, KeyFact, KeyState, ServiceState } from './state.js'

/** How far behind the clocks of most clients may be, milliseconds: what they send first should not be refused. */
const CLOCKS_APART = SECOND

export interface ServiceParts {
  readonly principal: Principal
  readonly realm: RealmName
  readonly keys: ServiceKeys
  readonly tickets: TicketOpener
  readonly replayCache: ReplayCache
  readonly clock: Clock
  readonly timers: Timers
  readonly report: Report
  readonly telemetry: ServiceTelemetry
  readonly tracing?: Tracing | undefined
  readonly gauges: () => ServiceGauges
  /** Of a service that follows the log of what is revoked. */
  readonly revocation: Revocation | undefined
  readonly background: Background | undefined
  readonly closing: ServiceClosing
  /** What gates with `permitWithoutTicket` let through. */
  readonly withoutTicket: PeersWithoutTicket
  /** Called when it is closed, at the very end. */
  readonly ended: () => Promise<void>
  /** Whether a request that was refused can be looked at again, because the key of its ticket was just found. */
  readonly hasKeyFor: (refusal: unknown) => Promise<boolean>
}

/** Whether the service was closed. */
export interface ServiceClosing {
  isClosed: boolean
  /** Called when it is closed: what is open ends with it, since nobody would tell it of revocations any more. */
  readonly ends: Set<() => void>
}

/**
 * What the modules here need of a service.
 * @throws TypeError if it is not a service
 */
const NOT_A_SERVICE = 'service is what loadService gives: const service = await loadService({ keytab })'
const OF_ANOTHER_COPY =
  "service was loaded by another copy of Orthrus than this one: bundles have each their own, so leave the package out of them, as with serverExternalPackages: ['orthrus'] in Next.js; or two are installed: npm ls orthrus"

function isLoadedElsewhere(service: unknown): boolean {
  return typeof service === 'object' && service !== null && 'principal' in service && 'state' in service
}

export let partsOf: (service: Service) => ServiceParts
export let createService: (parts: ServiceParts) => Service

/** A loaded service. Its keys show nowhere: not in text, JSON or an inspection. */
class LoadedService {
  readonly principal: Principal
  readonly realm: RealmName
  readonly #parts: ServiceParts
  readonly #closing = new AbortController()

  private constructor(parts: ServiceParts) {
    this.principal = parts.principal
    this.realm = parts.realm
    this.#parts = parts
    Object.freeze(this)
  }

  /** The keys that open tickets at this moment, the highest kvno first. */
  get kvnos(): readonly number[] {
    return Object.freeze(this.#parts.keys.kvnos)
  }

  /** How it stands at this moment: for a readiness probe. */
  get state(): ServiceState {
    const { keys, background, closing, clock, withoutTicket } = this.#parts
    const { kvnos } = keys
    const feed = background?.feed
    const kdcTime = clock.now() + (feed?.kdcTimeOffset ?? 0)
    const isFeedGood = feed === undefined || !(feed.stale || feed.full)
    return Object.freeze({
      ready: !closing.isClosed && kvnos.length > 0 && isFeedGood,
      keys: kvnos.map(kvno => keyState(kvno, background?.keyFact(kvno), kdcTime)),
      feed,
      withoutTicket: withoutTicket.state,
    })
  }

  /** What it has done and holds, as numbers: for what collects metrics (docs/telemetry.md). */
  metrics(): ServiceMetrics {
    const { telemetry, withoutTicket, gauges } = this.#parts
    const { counts, refused, openChannels } = telemetry
    return Object.freeze({
      events: Object.freeze({ ...counts }),
      refused: refused.all,
      passedWithoutTicket: withoutTicket.state?.requests ?? 0,
      openChannels,
      ...gauges(),
    })
  }

  /**
   * Resolves when a request of a client whose clock is right is not refused because the service has just started: when
   * the floor of the start has passed (docs/protocol.md section 8), and a second more. Await it before `listen`, or in
   * a readiness probe. It does not wait for a KDC: `state` says how that stands.
   * @throws OrthrusError `unavailable` if the service is closed
   */
  async ready(): Promise<void> {
    const { replayCache, clock, timers } = this.#parts
    for (;;) {
      if (this.#closing.signal.aborted) throw closed()
      const left = (replayCache.floor ?? Number.NEGATIVE_INFINITY) + CLOCKS_APART - clock.now()
      if (left <= 0) return
      await sleep(timers, left, this.#closing.signal).catch(() => {})
    }
  }

  /**
   * From now on nothing is accepted (`unavailable`), open channels end, and another process may serve under the same
   * keys. Call it when the server has ended: what the service knows of revocations is saved, if `feedFile` says where,
   * and what the next start needs, if `state` does. A second call does nothing.
   */
  async close(): Promise<void> {
    const { background, closing, ended } = this.#parts
    if (closing.isClosed) return
    closing.isClosed = true
    for (const end of [...closing.ends]) end()
    this.#closing.abort()
    try {
      await background?.close()
    } finally {
      await ended()
    }
  }

  /** Calls `close`, for `await using service = await loadService(...)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  static {
    createService = parts => new LoadedService(parts)
    partsOf = service => {
      if (typeof service === 'object' && service !== null && #parts in service) return service.#parts
      throw new TypeError(isLoadedElsewhere(service) ? OF_ANOTHER_COPY : NOT_A_SERVICE)
    }
  }
}

function closed(): OrthrusError {
  return new OrthrusError('unavailable', 'the service was closed', { hint: 'load it again: loadService' })
}

function keyState(kvno: number, fact: KeyFact | undefined, kdcTime: number): KeyState {
  const { state, createdAt } = fact ?? {}
  const age = createdAt === undefined ? undefined : Math.max(0, kdcTime - createdAt)
  return Object.freeze({ kvno, state, createdAt, age })
}

export type Service = LoadedService
