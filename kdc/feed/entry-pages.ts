import { encodeEvent } from '../../shared/channel/calls.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { encodeEntry, type RevocationEntry } from '../../shared/revocation/entry.js'
import { KDC_EVENT } from '../../shared/revocation/feed.js'
import { FEED } from '../limits/defaults.js'
import type { FollowedLog } from './followed-log.js'

/** Which names a follower may read in entries: all of them, or its own. */
export type VisibleNames = 'all' | Principal

/** One entry as the events that followers receive. Each form is encoded once, for all of them. */
export class EntryEvent {
  readonly seq: number
  readonly #entry: RevocationEntry
  #named: Uint8Array | undefined
  #anonymous: Uint8Array | undefined

  constructor(entry: RevocationEntry) {
    this.seq = entry.seq
    this.#entry = entry
  }

  /** Not to be altered. */
  bytesFor(names: VisibleNames): Uint8Array {
    const { principal } = this.#entry
    if (principal !== null && (names === 'all' || names === principal)) {
      this.#named ??= eventOf(this.#entry)
      return this.#named
    }
    this.#anonymous ??= eventOf({ ...this.#entry, principal: null })
    return this.#anonymous
  }
}

function eventOf(entry: RevocationEntry): Uint8Array {
  return encodeEvent({ name: KDC_EVENT.ENTRY, fields: encodeEntry(entry) })
}

/** Entries of the log, by pages of `FEED.PAGE` numbers. The pages used last are kept for all followers. */
export class EntryPages {
  readonly #log: FollowedLog
  /** By number of the page; each a run of entries without gaps. */
  readonly #pages = new RecentlyUsed<number, EntryEvent[]>(FEED.PAGES)
  readonly #readings = new Map<number, Promise<EntryEvent[]>>()

  constructor(log: FollowedLog) {
    this.#log = log
  }

  /** Takes in the newest entry of the log. */
  add(entry: RevocationEntry): void {
    const number = pageOf(entry.seq)
    const page = this.#pages.get(number)
    const last = page?.at(-1)?.seq ?? 0
    if (last >= entry.seq) return
    if (page !== undefined && last + 1 === entry.seq) page.push(new EntryEvent(entry))
    else this.#pages.set(number, [new EntryEvent(entry)])
  }

  /**
   * The entries from number `seq` on to the end of its page, as far as the log was read.
   * @param seq of an entry that the log has
   * @throws OrthrusError `unavailable`
   */
  from(seq: number): readonly EntryEvent[] | Promise<readonly EntryEvent[]> {
    const kept = this.#upTo(this.#pages.get(pageOf(seq)), seq)
    if (kept !== undefined) return kept
    return this.#read(pageOf(seq)).then(page => {
      const read = this.#upTo(page, seq)
      if (read !== undefined) return read
      throw new OrthrusError('unavailable', `the revocation log has no entry ${seq} any more`)
    })
  }

  #upTo(page: readonly EntryEvent[] | undefined, seq: number): readonly EntryEvent[] | undefined {
    const first = page?.[0]?.seq ?? Number.POSITIVE_INFINITY
    if (page === undefined || first > seq) return undefined
    const events = page.slice(seq - first, Math.max(0, this.#log.newest - first + 1))
    return events.length > 0 ? events : undefined
  }

  /** One read of a page at a time serves all who wait for it. */
  #read(number: number): Promise<EntryEvent[]> {
    const reading = this.#readings.get(number) ?? this.#readPage(number)
    this.#readings.set(number, reading)
    return reading
  }

  async #readPage(number: number): Promise<EntryEvent[]> {
    try {
      const begin = number * FEED.PAGE + 1
      const entries = await this.#log.entries(begin, FEED.PAGE)
      const page = entries.filter(({ seq }) => pageOf(seq) === number)
      requireWhole(page)
      const events = page.map(entry => new EntryEvent(entry))
      this.#pages.set(number, events)
      return events
    } finally {
      this.#readings.delete(number)
    }
  }
}

function pageOf(seq: number): number {
  return Math.floor((seq - 1) / FEED.PAGE)
}

/** @throws OrthrusError `unavailable` */
function requireWhole(entries: readonly RevocationEntry[]): void {
  const first = entries[0]?.seq ?? 0
  if (entries.every(({ seq }, index) => seq === first + index)) return
  throw new OrthrusError('unavailable', 'the revocation log lacks entries: the database was altered', {
    hint: 'restore it from a backup',
  })
}
