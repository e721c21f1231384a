import type { Fraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { type Clock, MINUTE, SECOND } from '../../shared/time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../shared/timers.js'
import type { KdcClock } from '../kdc-link/kdc-clock.js'
import type { RefusalMemory } from '../kdc-link/refusal-memory.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import { isHalfOver, isOutside, marginOf, refreshTimeOf, togetherSpanOf } from './ticket-age.js'
import { type RequestTickets, TicketQueue, ticketName } from './ticket-queue.js'

/** The pause after a failed refresh, milliseconds. It doubles with each further failure. */
const RETRY_FIRST = 5 * SECOND
const RETRY_MAX = MINUTE
/** An unproved `ticket_invalid` replaces a service's ticket at most this often, milliseconds (section 8). */
const UNPROVED_INTERVAL = MINUTE

export interface TicketCacheOptions {
  readonly client: Principal
  readonly imported: boolean
  readonly request: RequestTickets
  readonly time: KdcClock
  /** To be awaited before tickets are chosen by time; `ClockCheck.trueTime`. */
  readonly trueTime: () => Promise<void> | undefined
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly refusals: RefusalMemory
  readonly logger: Logger
  readonly telemetry: Pick<ClientTelemetry, 'report'>
  /** The largest number of tickets kept. The least recently used are dropped first. */
  readonly max: number
}

interface Entry {
  ticket: ServiceTicket
  readonly service: Principal
  readonly lifetime: number
  /** Milliseconds of KDC time, or infinity if a refresh was refused. */
  refreshAt: number
  failures: number
  /** Whether it was used since it was last refreshed. An unused ticket is not refreshed and ends. */
  used: boolean
}

/** Keeps tickets, and refreshes those in use. While the KDC is away, the old ones are used until they end. */
export class TicketCache {
  readonly #options: TicketCacheOptions
  readonly #queue: TicketQueue
  readonly #entries: RecentlyUsed<string, Entry>
  /** When the ticket of a service was last replaced because of an unproved error, on the monotonic clock. */
  readonly #replacedAt: RecentlyUsed<Principal, number>
  #cancelWake: Cancel = () => {}
  #wakeAt = Number.POSITIVE_INFINITY
  #closed = false

  constructor(options: TicketCacheOptions) {
    this.#options = options
    this.#queue = new TicketQueue(
      { client: options.client, imported: options.imported, now: () => options.time.now() },
      options.request,
      options.refusals,
      ticket => this.#keep(ticket),
    )
    this.#entries = new RecentlyUsed(options.max)
    this.#replacedAt = new RecentlyUsed(options.max)
  }

  /** How many tickets are kept. */
  get size(): number {
    return this.#entries.size
  }

  /** @throws OrthrusError with the KDC's code; `unavailable` */
  async get(service: Principal, lifetime: number): Promise<ServiceTicket> {
    const { time, trueTime } = this.#options
    const checking = trueTime()
    if (checking !== undefined) await checking
    const entry = this.#entries.get(ticketName(service, lifetime))
    const now = time.now()
    if (entry === undefined || isOutside(entry.ticket, now)) return this.#queue.ask(service, lifetime)
    if (!entry.used) {
      entry.used = true
      this.#wake(entry.refreshAt)
    }
    // A machine that was asleep has missed its timer.
    if (now >= entry.refreshAt) this.#refreshDue()
    return entry.ticket.endTime - now > marginOf(entry.ticket) ? entry.ticket : this.#successorOf(entry)
  }

  /**
   * As `get`, for a stream, which ends with its ticket: one with less than half of its life left is replaced first, unless
   * no new one can be had (docs/protocol.md section 8, Sealed bodies).
   */
  async getLasting(service: Principal, lifetime: number): Promise<ServiceTicket> {
    const ticket = await this.get(service, lifetime)
    const entry = this.#entries.peek(ticketName(service, lifetime))
    if (entry?.ticket !== ticket || !isHalfOver(ticket, this.#options.time.now())) return ticket
    return this.#successorOf(entry)
  }

  /** A service whose clock is ahead refuses a ticket shortly before its end, so the caller waits for the refresh. */
  async #successorOf({ service, lifetime, ticket }: Entry): Promise<ServiceTicket> {
    try {
      return await this.#queue.ask(service, lifetime)
    } catch (cause) {
      if (ticket.endTime > this.#options.time.now()) return ticket
      throw cause
    }
  }

  /**
   * Replaces a ticket that a service refused. Unproved errors can cause this at most once a minute per service, and
   * the old ticket is kept if no new one can be had (section 8). Never rejects.
   */
  async replace(ticket: ServiceTicket, proved: boolean): Promise<void> {
    const { clock, logger } = this.#options
    const { service, lifetime } = ticket
    const name = ticketName(service, lifetime)
    const entry = this.#entries.peek(name)
    if (entry !== undefined && entry.ticket !== ticket) return
    if (proved) this.#entries.delete(name)
    else if (!this.#mayReplace(service, clock.monotonic())) {
      await this.#queue.underWay(service, lifetime)?.catch(() => {})
      return
    }
    try {
      await this.#queue.ask(service, lifetime)
    } catch (cause) {
      logger.warn({ service, cause }, 'a service refused a ticket, and no new one could be had')
    }
  }

  /** Stops the timer and forgets the tickets. */
  close(): void {
    this.#closed = true
    this.#cancelWake()
    this.#entries.clear()
  }

  #mayReplace(service: Principal, now: number): boolean {
    const last = this.#replacedAt.get(service)
    if (last !== undefined && now - last < UNPROVED_INTERVAL) return false
    this.#replacedAt.set(service, now)
    return true
  }

  #keep(ticket: ServiceTicket): void {
    if (this.#closed) return
    const { service, lifetime } = ticket
    const refreshAt = refreshTimeOf(ticket, this.#options.fraction())
    this.#tellRefreshed(this.#entries.peek(ticketName(service, lifetime))?.ticket, ticket)
    this.#entries.set(ticketName(service, lifetime), {
      ticket,
      service,
      lifetime,
      refreshAt,
      failures: 0,
      used: true,
    })
    this.#wake(refreshAt)
  }

  #tellRefreshed(
    before: ServiceTicket | undefined,
    { client, service, ticketId, endTime }: ServiceTicket,
  ): void {
    if (before === undefined) return
    const fields = { client, service, ticketId, replaced: before.ticketId, endTime }
    this.#options.telemetry.report({ kind: 'ticket_refreshed', ...fields })
  }

  /** Sets the one timer for the ticket that is due first. */
  #wake(at: number): void {
    if (this.#closed || at >= this.#wakeAt || at === Number.POSITIVE_INFINITY) return
    const { timers, time } = this.#options
    this.#cancelWake()
    this.#wakeAt = at
    this.#cancelWake = runAfter(inBackground(timers), Math.ceil(at - time.now()), () => this.#refreshDue())
  }

  /** Refreshes all tickets that are due in the same tick, and so in one request. */
  #refreshDue(): void {
    this.#cancelWake()
    this.#wakeAt = Number.POSITIVE_INFINITY
    const { time } = this.#options
    const now = time.now()
    const entries = this.#entries.entries()
    const isDue = ({ refreshAt, ticket, used }: Entry): boolean =>
      used && refreshAt - now <= togetherSpanOf(ticket)
    // A timer may fire early: then nothing is due yet.
    const some = entries.some(([, entry]) => entry.used && entry.refreshAt <= now)
    for (const [name, entry] of entries) {
      // If the clocks have parted, the end of the ticket is only a guess.
      if (entry.ticket.endTime <= now && time.parted === 0) this.#entries.delete(name)
      else if (some && isDue(entry)) void this.#refresh(entry, now)
      else if (entry.used) this.#wake(entry.refreshAt)
    }
  }

  async #refresh(entry: Entry, now: number): Promise<void> {
    const { fraction, client, telemetry } = this.#options
    const { service, lifetime } = entry
    const pause = Math.min(RETRY_MAX, RETRY_FIRST * 2 ** entry.failures) * (1 + fraction() / 2)
    // Set before the answer comes, so that no other caller asks meanwhile.
    entry.refreshAt = now + pause
    entry.failures++
    try {
      const refreshed = await this.#queue.ask(service, lifetime)
      const kept = this.#entries.peek(ticketName(service, lifetime))
      if (kept?.ticket === refreshed) kept.used = false
    } catch (cause) {
      if (this.#closed) return
      const final = cause instanceof OrthrusError && cause.final
      if (final) entry.refreshAt = Number.POSITIVE_INFINITY
      const { ticketId, endTime } = entry.ticket
      telemetry.report({ kind: 'refresh_failed', client, service, ticketId, endTime, again: !final, cause })
      this.#wake(entry.refreshAt)
    }
  }
}
