import { equalBytes } from '#primitives'
import { latin1Text } from '../bytes.js'
import { SIZE } from '../constants.js'
import type { LongTermKey } from '../crypto/keys.js'
import { RecentlyUsed } from '../recently-used.js'
import { shown } from '../shown-text.js'
import { type OpenedTicket, openTicket, type SealedTicket } from './ticket.js'

/** What an ordinary entry counts as, bytes: a ticket with a few claims and caveats. Larger ones count as more. */
const ENTRY_BYTES = 4 * 1024

/**
 * Heap memory of an entry, bytes, measured with Node 20 and rounded up: first its keys and objects, then what depends
 * on the ticket. Callers report what is kept with it later with `keeps`.
 */
const TAKES = {
  ENTRY: 3 * 1024,
  /** A byte of the ticket is held sealed, opened and, if it is text, decoded. */
  TICKET_BYTE: 4,
  CLAIM: 96,
  LISTED_TEXT: 32,
  CAVEAT: 384,
  /** At worst a caveat is a list of the shortest texts. It is decoded on first use, and the decoded form is kept. */
  CAVEAT_BYTE: 10,
} as const

interface Entry {
  readonly sealed: Uint8Array
  readonly key: LongTermKey
  readonly opened: OpenedTicket
  /** Of the ticket alone, bytes. */
  readonly size: number
}

/**
 * Opened tickets, remembered by their exact bytes until they end. A ticket that does not open leaves no trace. The
 * others are bounded by number and by memory. A client with many tickets can push out the tickets of others, which then
 * only have to be opened again.
 */
export class OpenedTickets {
  readonly #entries: RecentlyUsed<string, Entry>
  /** How often a ticket was remembered, and how often one was opened. */
  hits = 0
  misses = 0

  /** @param entries how many ordinary tickets to remember. @throws TypeError unless a whole number from 1 */
  constructor(entries: number) {
    if (!Number.isSafeInteger(entries) || entries < 1) {
      throw new TypeError(`the entries of a ticket cache are a whole number from 1, not ${shown(entries)}`)
    }
    this.#entries = new RecentlyUsed(entries * ENTRY_BYTES)
  }

  /** How many tickets are remembered. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * @param key the service's key of the ticket's kvno; it must be the same object each time
   * @param now milliseconds; a ticket that has ended is opened but not remembered
   * @throws OrthrusError `ticket_invalid`
   */
  open(ticket: SealedTicket, key: LongTermKey, now: number): OpenedTicket {
    const name = nameOf(ticket)
    const known = this.#entries.get(name)
    if (known !== undefined && known.key === key && equalBytes(known.sealed, ticket.bytes)) {
      if (now < known.opened.endTime) {
        this.hits++
        return known.opened
      }
      this.#entries.delete(name)
    }
    const opened = openTicket(ticket, key)
    this.misses++
    // A copy: the ticket is a view of the message that brought it.
    const sealed = ticket.bytes.slice()
    if (now < opened.endTime) this.#keep(name, { sealed, key, opened, size: sizeOf(sealed, opened) })
    return opened
  }

  /** Counts what is kept with a ticket that was opened. @param bytes all of it, in place of what was counted before */
  keeps(ticket: SealedTicket, opened: OpenedTicket, bytes: number): void {
    const name = nameOf(ticket)
    const entry = this.#entries.peek(name)
    if (entry?.opened !== opened) return
    this.#keep(name, entry, bytes)
  }

  #keep(name: string, entry: Entry, more = 0): void {
    this.#entries.set(name, entry, Math.max(ENTRY_BYTES, entry.size + more))
  }

  /** Forgets all tickets, and so all keys that they were opened with. */
  clear(): void {
    this.#entries.clear()
  }

  /** Forgets the tickets that were opened with this key, because the service no longer has it. */
  forget(key: LongTermKey): void {
    this.#entries.deleteWhere(known => known.key === key)
  }
}

function sizeOf(sealed: Uint8Array, opened: OpenedTicket): number {
  let size = TAKES.ENTRY + TAKES.TICKET_BYTE * sealed.length
  for (const [, value] of opened.claims) {
    size += TAKES.CLAIM + (typeof value === 'object' ? TAKES.LISTED_TEXT * value.length : 0)
  }
  for (const { length } of opened.caveats) size += TAKES.CAVEAT + TAKES.CAVEAT_BYTE * length
  return size
}

/** The nonce of the ticket's box, which the KDC draws for each ticket: it is short and unique. */
function nameOf({ box }: SealedTicket): string {
  return latin1Text(box.subarray(0, SIZE.SEAL_NONCE))
}
