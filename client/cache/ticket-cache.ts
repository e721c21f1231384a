import { LRUCache } from 'lru-cache'
import { WINDOW } from '../../shared/constants.js'
import type { Fraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { type Clock, MINUTE, SECOND } from '../../shared/time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../shared/timers.js'
import type { KdcClock } from '../kdc-link/kdc-clock.js'
import type { RefusalMemory } from '../kdc-link/refusal-memory.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import { type RequestTickets, TicketQueue, ticketName } from './ticket-queue.js'

/** Tuning, not protocol. A ticket is refreshed when this share of its life is left, at random a little earlier. */
const SHARE_LEFT = 0.2
const SHARE_JITTER = 0.05
/** Tickets that are due this soon, by their life, are refreshed along with one that is due. */
const SHARE_TOGETHER = 0.05
/** The pause after a refresh that failed, milliseconds; it doubles. */
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
  /** How many tickets are kept; the least recently used go first. */
  readonly max: number
}

interface Entry {
  ticket: ServiceTicket
  readonly service: Principal
  readonly lifetime: number
  /** Milliseconds, KDC time; infinity where a refresh was refused. */
  refreshAt: number
  failures: number
  /** Whether anybody asked for it since it was last refreshed: what nobody uses is left to end. */
  used: boolean
}

/** Tickets in hand. Each that is in use is refreshed before it ends; while the KDC is away, and to its end, the old one serves. */
export class TicketCache {
  readonly #options: TicketCacheOptions
  readonly #queue: TicketQueue
  readonly #entries: LRUCache<string, Entry>
  /** When a service's ticket was last replaced on an unproved word, on the monotonic clock. */
  readonly #replacedAt: LRUCache<Principal, number>
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
    this.#entries = new LRUCache({ max: options.max })
    this.#replacedAt = new LRUCache({ max: options.max })
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
    // A machine that slept has missed its timer.
    if (now >= entry.refreshAt) this.#refreshDue()
    return entry.ticket.endTime - now > marginOf(entry.ticket) ? entry.ticket : this.#successorOf(entry)
  }

  /** At its very end a service whose clock is ahead takes a ticket no more, so its refresh is waited for. */
  async #successorOf({ service, lifetime, ticket }: Entry): Promise<ServiceTicket> {
    try {
      return await this.#queue.ask(service, lifetime)
    } catch (cause) {
      if (ticket.endTime > this.#options.time.now()) return ticket
      throw cause
    }
  }

  /**
   * Gets another ticket in place of one that a service did not take. What nobody proved does that at most once a
   * minute for a service, and leaves the old ticket where no other can be had (section 8). Never rejects.
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
      logger.warn({ service, cause }, 'no new ticket in place of one that was not taken')
    }
  }

  /** Ends the timer and forgets the tickets. */
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
    const { service, endTime, lifetime } = ticket
    const share = SHARE_LEFT + SHARE_JITTER * this.#options.fraction()
    const refreshAt = endTime - share * lifeOf(ticket)
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

  /** One timer, for the ticket that is due first. */
  #wake(at: number): void {
    if (this.#closed || at >= this.#wakeAt || at === Number.POSITIVE_INFINITY) return
    const { timers, time } = this.#options
    this.#cancelWake()
    this.#wakeAt = at
    this.#cancelWake = runAfter(inBackground(timers), Math.ceil(at - time.now()), () => this.#refreshDue())
  }

  /** Asks for all that is due in the same tick, and so in one request. */
  #refreshDue(): void {
    this.#cancelWake()
    this.#wakeAt = Number.POSITIVE_INFINITY
    const { time } = this.#options
    const now = time.now()
    const entries = [...this.#entries.entries()]
    const isDue = ({ refreshAt, ticket, used }: Entry): boolean =>
      used && refreshAt - now <= SHARE_TOGETHER * lifeOf(ticket)
    // A timer may fire early: then nothing is due yet.
    const some = entries.some(([, entry]) => entry.used && entry.refreshAt <= now)
    for (const [name, entry] of entries) {
      // Where the clocks have parted, it is only a guess that it has ended.
      if (entry.ticket.endTime <= now && time.parted === 0) this.#entries.delete(name)
      else if (some && isDue(entry)) void this.#refresh(entry, now)
      else if (entry.used) this.#wake(entry.refreshAt)
    }
  }

  async #refresh(entry: Entry, now: number): Promise<void> {
    const { fraction, logger } = this.#options
    const { service, lifetime } = entry
    const pause = Math.min(RETRY_MAX, RETRY_FIRST * 2 ** entry.failures) * (1 + fraction() / 2)
    // Set before the answer is here, so that nobody else asks meanwhile.
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
      const message = 'a ticket could not be refreshed; the old one serves to its end'
      logger.warn({ service, endTime: entry.ticket.endTime, again: !final, cause }, message)
      this.#wake(entry.refreshAt)
    }
  }
}

/**
 * Whether it has ended, or begins so late that the KDC's clock must have been set back since it was granted: no
 * service takes it, and its refresh is as far away. Services take none that begins over a minute ahead; but so far as
 * the KDC lets it be off, this clock may be wrong itself, and would find every new ticket too late.
 */
function isOutside({ startTime, endTime }: ServiceTicket, now: number): boolean {
  return now >= endTime || startTime - now > WINDOW.KDC_SKEW
}

/** What must be left of a ticket so that it is used without a thought, milliseconds: of a short life a share. */
function marginOf(ticket: ServiceTicket): number {
  return Math.min(WINDOW.SERVICE_FUTURE, SHARE_LEFT * lifeOf(ticket))
}

function lifeOf({ startTime, endTime }: ServiceTicket): number {
  return endTime - startTime
}
