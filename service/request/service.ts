import type { TicketOpener } from '../../shared/accept/presented-ticket.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { ServiceKeys } from '../keys.js'
import type { Report } from '../report/events.js'

export interface ServiceParts {
  readonly principal: Principal
  readonly realm: RealmName
  readonly keys: ServiceKeys
  readonly tickets: TicketOpener
  readonly replayCache: ReplayCache
  readonly clock: Clock
  readonly timers: Timers
  readonly report: Report
}

/**
 * What the modules here need of a service.
 * @throws TypeError if it is not a service
 */
export let partsOf: (service: Service) => ServiceParts
export let createService: (parts: ServiceParts) => Service

/** A loaded service. Its keys show nowhere: not in text, JSON or an inspection. */
class LoadedService {
  readonly principal: Principal
  readonly realm: RealmName
  readonly #parts: ServiceParts

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

  static {
    createService = parts => new LoadedService(parts)
    partsOf = service => {
      if (typeof service === 'object' && service !== null && #parts in service) return service.#parts
      throw new TypeError('service is what loadService gives: const service = await loadService({ keytab })')
    }
  }
}

export type Service = LoadedService
