import { LRUCache } from 'lru-cache'
import type { LongTermKey } from '../shared/crypto/keys.js'
import type { Principal } from '../shared/principal.js'
import type { TicketOpener } from '../shared/protocol/accept.js'
import { type OpenedTicket, openTicket, type SealedTicket, ticketInvalid } from '../shared/protocol/ticket.js'
import type { Clock } from '../shared/time.js'

/** Tuning, not protocol: tickets of ordinary size remembered. */
export const ENTRIES_DEFAULT = 4096
/** What an ordinary entry is reckoned to take, bytes. Larger tickets take the room of several. */
const ENTRY_BYTES = 4 * 1024
/** An opened ticket: its sealed bytes as the key, its plaintext, and as much again decoded. */
const BYTES_A_TICKET_BYTE = 4
const FIXED_BYTES = 1024

export interface TicketCacheOptions {
  readonly service: Principal
  /** The service's long-term keys by kvno. */
  readonly keys: ReadonlyMap<number, LongTermKey>
  readonly clock: Clock
  /** How many ordinary tickets are remembered, at least 1. */
  readonly entries?: number
}

/**
 * Opens the tickets of one service (docs/protocol.md section 8, step 2), and remembers those that opened by their
 * exact bytes until they end. What does not open leaves no trace, and what does is bounded by number and by memory,
 * whoever sends it: a client with many tickets can push out others', which then are opened again, and no more.
 */
export class TicketCache implements TicketOpener {
  readonly #service: Principal
  readonly #keys: ReadonlyMap<number, LongTermKey>
  readonly #clock: Clock
  readonly #opened: LRUCache<string, OpenedTicket>

  /** @throws TypeError where `entries` is no whole number from 1 */
  constructor({ service, keys, clock, entries = ENTRIES_DEFAULT }: TicketCacheOptions) {
    if (!Number.isSafeInteger(entries) || entries < 1) {
      throw new TypeError(`the entries of a ticket cache are a whole number from 1, not ${entries}`)
    }
    this.#service = service
    this.#keys = keys
    this.#clock = clock
    this.#opened = new LRUCache({ max: entries, maxSize: entries * ENTRY_BYTES, maxEntrySize: 2 ** 31 })
  }

  /** How many tickets are remembered. */
  get size(): number {
    return this.#opened.size
  }

  /** @throws OrthrusError `ticket_invalid` for another service's ticket, an unknown kvno, or a box that does not open */
  open(ticket: SealedTicket): OpenedTicket {
    const key = this.#keyOf(ticket)
    const name = Buffer.from(ticket.bytes).toString('latin1')
    const known = this.#opened.get(name)
    if (known !== undefined && this.#clock.now() < known.endTime) return known
    this.#opened.delete(name)
    const opened = openTicket(ticket, key)
    if (this.#clock.now() < opened.endTime) this.#opened.set(name, opened, { size: sizeOf(ticket) })
    return opened
  }

  #keyOf(ticket: SealedTicket): LongTermKey {
    if (ticket.service !== this.#service) throw ticketInvalid(ticket, `this service is ${this.#service}`)
    const key = this.#keys.get(ticket.kvno)
    if (key !== undefined) return key
    throw ticketInvalid(ticket, `the keytab has kvno ${[...this.#keys.keys()].join(', ')}`)
  }
}

function sizeOf(ticket: SealedTicket): number {
  return FIXED_BYTES + BYTES_A_TICKET_BYTE * ticket.bytes.length
}
