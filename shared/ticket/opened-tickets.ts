import { LRUCache } from 'lru-cache'
import { equalBytes } from '#primitives'
import { latin1Text } from '../bytes.js'
import { SIZE } from '../constants.js'
import type { LongTermKey } from '../crypto/keys.js'
import { type OpenedTicket, openTicket, type SealedTicket } from './ticket.js'

/** What an ordinary entry is counted as, bytes: a ticket with a few claims and caveats. Larger ones take the room of several. */
const ENTRY_BYTES = 4 * 1024

/**
 * What an entry takes of the heap, bytes, measured with Node 20 and rounded up: keys and objects, then what depends on
 * the ticket. What is kept with it later is told by `grew`.
 */
const TAKES = {
  ENTRY: 3 * 1024,
  /** Sealed, opened, and decoded once more where it is text. */
  TICKET_BYTE: 4,
  CLAIM: 96,
  LISTED_TEXT: 32,
  CAVEAT: 384,
  /** A list of the shortest texts. Caveats are decoded when they are first looked at, and kept like that. */
  CAVEAT_BYTE: 10,
} as const

/** The largest ticket, with the four longest chains. */
const GROWN_MAX = 64 * 1024

interface Entry {
  readonly sealed: Uint8Array
  readonly key: LongTermKey
  readonly opened: OpenedTicket
  /** Bytes. */
  readonly size: number
}

/**
 * Tickets that opened, remembered by their exact bytes until they end. A ticket that does not open leaves no trace. Those
 * that do are bounded by number and by memory: a client with many tickets can push out the tickets of others, which only
 * means that these are opened again.
 */
export class OpenedTickets {
  readonly #entries: LRUCache<string, Entry>
  readonly #names = new WeakMap<OpenedTicket, string>()

  /** @param entries how many ordinary tickets are remembered. @throws TypeError unless a whole number from 1 */
  constructor(entries: number) {
    if (!Number.isSafeInteger(entries) || entries < 1) {
      throw new TypeError(`the entries of a ticket cache are a whole number from 1, not ${entries}`)
    }
    this.#entries = new LRUCache({ max: entries, maxSize: entries * ENTRY_BYTES })
  }

  /** How many tickets are remembered. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * @param key of the service, for the ticket's kvno; the same object as long as it is the same key
   * @param now milliseconds; a ticket that has ended is opened, but not remembered
   * @throws OrthrusError `ticket_invalid`
   */
  open(ticket: SealedTicket, key: LongTermKey, now: number): OpenedTicket {
    const name = nameOf(ticket)
    const known = this.#entries.get(name)
    if (known !== undefined && known.key === key && equalBytes(known.sealed, ticket.bytes)) {
      if (now < known.opened.endTime) return known.opened
      this.#entries.delete(name)
    }
    const opened = openTicket(ticket, key)
    // A copy: the ticket is a view of the message that brought it.
    const sealed = ticket.bytes.slice()
    if (now < opened.endTime) this.#keep(name, { sealed, key, opened, size: sizeOf(sealed, opened) })
    return opened
  }

  /** Counts what is kept with a ticket from now on. @param bytes none of which was counted before. */
  grew(opened: OpenedTicket, bytes: number): void {
    const name = this.#names.get(opened)
    const entry = name === undefined ? undefined : this.#entries.peek(name)
    if (name === undefined || entry?.opened !== opened) return
    // More than this is never kept with one: what is new takes the place of what was there.
    this.#keep(name, { ...entry, size: Math.min(entry.size + bytes, GROWN_MAX) })
  }

  #keep(name: string, entry: Entry): void {
    this.#names.set(entry.opened, name)
    this.#entries.set(name, entry, { size: entry.size })
  }

  /** Forgets what was opened with this key, which is no longer of the service. */
  forget(key: LongTermKey): void {
    for (const [name, known] of [...this.#entries.entries()])
      if (known.key === key) this.#entries.delete(name)
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

/** The nonce of its box, which the KDC draws for each ticket: short, and no two tickets share one. */
function nameOf({ box }: SealedTicket): string {
  return latin1Text(box.subarray(0, SIZE.SEAL_NONCE))
}
