import type { TicketOpener } from '../shared/accept/presented-ticket.js'
import type { LongTermKey } from '../shared/crypto/keys.js'
import type { Principal } from '../shared/principal.js'
import { OpenedTickets } from '../shared/ticket/opened-tickets.js'
import { type OpenedTicket, type SealedTicket, ticketInvalid } from '../shared/ticket/ticket.js'
import type { Clock } from '../shared/time.js'
import type { ServiceKeys } from './keys.js'

/** Tuning, not protocol: how many tickets of ordinary size are remembered. */
export const ENTRIES_DEFAULT = 4096

export interface ServiceTicketOpenerOptions {
  readonly service: Principal
  readonly keys: ServiceKeys
  readonly clock: Clock
  /** How many ordinary tickets are remembered, at least 1. */
  readonly entries?: number
}

/** Opens the tickets of one service (docs/protocol.md section 8, step 2), and remembers those that opened. */
export class ServiceTicketOpener implements TicketOpener {
  readonly #service: Principal
  readonly #keys: ServiceKeys
  readonly #clock: Clock
  readonly #opened: OpenedTickets

  /** @throws TypeError if `entries` is not a whole number from 1 */
  constructor({ service, keys, clock, entries = ENTRIES_DEFAULT }: ServiceTicketOpenerOptions) {
    this.#service = service
    this.#keys = keys
    this.#clock = clock
    this.#opened = new OpenedTickets(entries)
    keys.onDrop(key => this.#opened.forget(key))
  }

  /** How many tickets are remembered. */
  get size(): number {
    return this.#opened.size
  }

  /** How often a ticket was among those remembered, and how often one was opened because it was not. */
  get hits(): number {
    return this.#opened.hits
  }

  get misses(): number {
    return this.#opened.misses
  }

  /**
   * @throws OrthrusError `ticket_invalid` for another service's ticket, an unknown kvno, or a box that does not open
   */
  open(ticket: SealedTicket): OpenedTicket {
    return this.#opened.open(ticket, this.#keyOf(ticket), this.#clock.now())
  }

  keeps(ticket: SealedTicket, opened: OpenedTicket, bytes: number): void {
    this.#opened.keeps(ticket, opened, bytes)
  }

  #keyOf(ticket: SealedTicket): LongTermKey {
    if (ticket.service !== this.#service) throw ticketInvalid(ticket, `this service is ${this.#service}`)
    const key = this.#keys.get(ticket.kvno)
    if (key !== undefined) return key
    throw ticketInvalid(ticket, `the keytab has kvno ${this.#keys.kvnos.join(', ')}`)
  }
}
