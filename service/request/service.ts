import type { TicketOpener } from '../../shared/accept/presented-ticket.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal, Realm } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

export interface ServiceParts {
  readonly principal: Principal
  readonly realm: Realm
  /** The highest first. */
  readonly kvnos: readonly number[]
  readonly tickets: TicketOpener
  readonly replayCache: ReplayCache
  readonly clock: Clock
  readonly logger: Logger
  readonly timers: Timers
}

/** What a service works with, for the modules here. @throws TypeError where it is no service */
export let partsOf: (service: Service) => ServiceParts
export let createService: (parts: ServiceParts) => Service

/** A loaded service. Its keys show nowhere: not in text, JSON or an inspection. */
class LoadedService {
  readonly principal: Principal
  readonly realm: Realm
  /** Which of its keys open tickets, the highest kvno first. */
  readonly kvnos: readonly number[]
  readonly #parts: ServiceParts

  private constructor(parts: ServiceParts) {
    this.principal = parts.principal
    this.realm = parts.realm
    this.kvnos = Object.freeze([...parts.kvnos])
    this.#parts = parts
    Object.freeze(this)
  }

  static {
    createService = parts => new LoadedService(parts)
    partsOf = service => {
      if (typeof service === 'object' && service !== null && #parts in service) return service.#parts
      throw new TypeError('service is what loadService gives')
    }
  }
}

export type Service = LoadedService
