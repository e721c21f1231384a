import { LIMIT } from '../../shared/constants.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { Answered } from '../kdc-link/question.js'
import type { RefusalMemory } from '../kdc-link/refusal-memory.js'
import { type Denied, denial } from '../kdc-link/refusals.js'
import { type GrantedFor, ServiceTicket } from '../ticket/service-ticket.js'

/** Asks the KDC for tickets; `KdcExchanges.request`. */
export type RequestTickets = (services: readonly Principal[], lifetime: number) => Promise<Answered>

interface Wanted {
  readonly service: Principal
  readonly lifetime: number
  readonly resolve: (ticket: ServiceTicket) => void
  readonly reject: (cause: unknown) => void
}

/** The key of a ticket in queue and cache. @param lifetime milliseconds; 0 means the longest allowed */
export function ticketName(service: Principal, lifetime: number): string {
  return `${service} ${lifetime}`
}

/** Requests tickets: each ticket at most once at a time, and all that are wanted in the same tick in one request. */
export class TicketQueue {
  readonly #granted: Omit<GrantedFor, 'lifetime'>
  readonly #request: RequestTickets
  readonly #refusals: RefusalMemory
  readonly #deliver: (ticket: ServiceTicket) => void
  readonly #pending = new Map<string, Promise<ServiceTicket>>()
  #wanted: Wanted[] = []

  /** @param deliver gets each ticket before its promise resolves, so that a later caller finds it in the cache. */
  constructor(
    granted: Omit<GrantedFor, 'lifetime'>,
    request: RequestTickets,
    refusals: RefusalMemory,
    deliver: (ticket: ServiceTicket) => void,
  ) {
    this.#granted = granted
    this.#request = request
    this.#refusals = refusals
    this.#deliver = deliver
  }

  /** The pending promise for that ticket, if there is one. */
  underWay(service: Principal, lifetime: number): Promise<ServiceTicket> | undefined {
    return this.#pending.get(ticketName(service, lifetime))
  }

  /** @throws OrthrusError with the KDC's code, for this service or for the request; `unavailable` */
  ask(service: Principal, lifetime: number): Promise<ServiceTicket> {
    const known = this.underWay(service, lifetime)
    if (known !== undefined) return known
    const name = ticketName(service, lifetime)
    const refused = this.#refusals.recall(name)
    if (refused !== undefined) return Promise.reject(refused)
    const promise = new Promise<ServiceTicket>((resolve, reject) => {
      if (this.#wanted.length === 0) queueMicrotask(() => this.#send())
      this.#wanted.push({ service, lifetime, resolve, reject })
    }).finally(() => this.#pending.delete(name))
    this.#pending.set(name, promise)
    return promise
  }

  #send(): void {
    const wanted = this.#wanted
    this.#wanted = []
    for (const lifetime of new Set(wanted.map(one => one.lifetime))) {
      const alike = wanted.filter(one => one.lifetime === lifetime)
      for (let i = 0; i < alike.length; i += LIMIT.SERVICES) {
        void this.#askFor(alike.slice(i, i + LIMIT.SERVICES), lifetime)
      }
    }
  }

  async #askFor(wanted: readonly Wanted[], lifetime: number): Promise<void> {
    try {
      const services = wanted.map(one => one.service)
      const { grants, denials, failure } = await this.#request(services, lifetime)
      const granted = new Map(grants.map(grant => [grant.service, grant]))
      const denied = new Map(denials.map(denial => [denial.service, denial]))
      for (const one of wanted) {
        const [grant, denial] = [granted.get(one.service), denied.get(one.service)]
        if (grant !== undefined) this.#grant(one, grant)
        else if (denial !== undefined) void this.#deny(one, denial)
        else one.reject(failure)
      }
    } catch (cause) {
      for (const { reject } of wanted) reject(cause)
    }
  }

  #grant({ service, lifetime, resolve }: Wanted, grant: Grant): void {
    this.#refusals.forget(ticketName(service, lifetime))
    const ticket = new ServiceTicket(grant, { ...this.#granted, lifetime })
    this.#deliver(ticket)
    resolve(ticket)
  }

  async #deny({ service, lifetime, reject }: Wanted, denied: Denied): Promise<void> {
    const refusal = await denial(this.#granted.client, denied)
    // Tickets that are too large in one answer may fit alone, which is a different question.
    if (refusal.code !== 'too_large') this.#refusals.keep(ticketName(service, lifetime), refusal)
    reject(refusal)
  }
}
