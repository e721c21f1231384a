import { equalBytes } from '#primitives'
import { toHex } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { RevocationEntry, Revoked } from '../../shared/revocation/entry.js'
import { REVOCATION_KEPT, REVOCATIONS_CLEARED, REVOCATIONS_KEPT } from '../limits/defaults.js'
import { RECORD_KIND, type RecordKind } from '../store/store.js'
import { decodeRevocationRecord, encodeRevocationRecord, type PrincipalRecord } from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'

const PAGE = 256
/** Digits of the largest number. All names are padded to it, so that they sort as the numbers do. */
const DIGITS = 16

/** An entry before it has a place in the log. */
export type Revocation = Revoked & { readonly principal: Principal | null }

/** The entry that revokes the tickets of the principal's series so far. */
export function revocationOfSeries({ name, clientId }: PrincipalRecord): Revocation {
  return { kind: 'client', principal: name, by: clientId }
}

export interface RevocationLogOptions {
  readonly vault: Vault
  readonly random: RandomSource
  /** Whether the clock can be trusted not to be set back, so that entries may be dropped by it. */
  readonly isSettled: () => boolean
}

/**
 * The log of what was revoked (docs/protocol.md section 10), in numbered entries. Entries are dropped from the oldest
 * end only, and only when one is added, so that the newest always stays and numbers never start again.
 */
export class RevocationLog {
  readonly #vault: Vault
  readonly #random: RandomSource
  readonly #isSettled: () => boolean
  readonly #listeners = new Set<(entry: RevocationEntry) => void>()
  readonly #unwatch: () => void
  /** The ids of revoked tickets, in hexadecimal digits, in the order of their entries, whose numbers are the values. */
  readonly #tickets = new Map<string, number>()
  #oldest = 1
  #newest = 0
  /** What is read of the store, one reading after another. */
  #reading: Promise<void> = Promise.resolve()
  /** Whether another reading was asked for that has not begun. */
  #isWanted = false
  /** How many times the store told of a change, and how many of these times the latest reading covers. */
  #told = 0
  #covered = 0
  #hasFailed = false

  private constructor({ vault, random, isSettled }: RevocationLogOptions) {
    this.#vault = vault
    this.#random = random
    this.#isSettled = isSettled
    this.#unwatch = vault.watch(kind => this.#hearOf(kind))
  }

  /** @throws OrthrusError `unavailable` */
  static async open(options: RevocationLogOptions): Promise<RevocationLog> {
    const log = new RevocationLog(options)
    await log.settle()
    return log
  }

  /** Reads what was added, if this kind of record may have changed. */
  noticeChange(kind: RecordKind): void {
    this.#hearOf(kind)?.catch(() => undefined)
  }

  /** The number of the oldest entry; 1 while there is none. */
  get oldest(): number {
    return this.#oldest
  }

  /** The number of the newest entry that was read; 0 while there is none. */
  get newest(): number {
    return this.#newest
  }

  /** Whether everything was read that the store is known to have, and what is known is of less than a second ago. */
  get isCurrent(): boolean {
    return this.#isRead && this.#vault.replica?.isCurrent() !== false
  }

  get #isRead(): boolean {
    return !this.#hasFailed && this.#covered === this.#told
  }

  /**
   * Whether an entry revokes this one ticket.
   * @throws OrthrusError `unavailable` if entries could not be read, because one of them may revoke it
   */
  hasTicket(ticketId: Uint8Array): boolean {
    if (this.#hasFailed) {
      this.#catchUp()
      throw new OrthrusError('unavailable', 'the revocation log could not be read', { hint: 'try again' })
    }
    return this.#tickets.size > 0 && this.#tickets.has(toHex(ticketId))
  }

  /** The number of the entry that revokes this one ticket; `undefined` if there is none. */
  entryOfTicket(ticketId: Uint8Array): number | undefined {
    return this.#tickets.get(toHex(ticketId))
  }

  /** Entries from number `from` on, in their order, at most `limit` of them. @throws OrthrusError `unavailable` */
  async entries(from: number, limit: number): Promise<RevocationEntry[]> {
    const page = await this.#vault.list(RECORD_KIND.REVOCATION, { after: entryName(from - 1), limit })
    return page.map(({ fields }) => decodeRevocationRecord(fields))
  }

  /** Whether the log has an entry of this number and mark. @throws OrthrusError `unavailable` */
  async has(seq: number, mark: Uint8Array): Promise<boolean> {
    if (seq < this.#oldest || seq > this.#newest) return false
    const [entry] = await this.entries(seq, 1)
    return entry?.seq === seq && equalBytes(entry.mark, mark)
  }

  /** Calls the listener with each entry that is added, in their order. @returns a function that removes it */
  onEntry(listener: (entry: RevocationEntry) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Resolves when every entry was read that the store is known to have.
   * @throws OrthrusError `unavailable`, also if others may have added entries that this KDC has not heard of
   */
  async current(): Promise<void> {
    if (!this.#isRead) await this.settle()
    const { replica } = this.#vault
    if (replica?.isCurrent() === false) throw replica.fault ?? notCurrent()
  }

  /** Resolves when every entry that the store had at the call was read. @throws OrthrusError `unavailable` */
  settle(): Promise<void> {
    this.#isWanted = true
    const read = this.#reading.then(() => (this.#isWanted || this.#hasFailed ? this.#read() : undefined))
    this.#reading = read.catch(() => undefined)
    return read
  }

  /**
   * The changes that add entries, and delete some that are outdated.
   * @param now KDC time, milliseconds
   * @param longestLife of any ticket that the realm ever allowed, milliseconds
   */
  async append(revoked: readonly Revocation[], now: number, longestLife: number): Promise<VaultChange[]> {
    if (revoked.length === 0) return []
    await this.settle()
    const entries = revoked.map((one, index) => {
      const seq = this.#newest + 1 + index
      const mark = this.#random(SIZE.MARK)
      const keepUntil = now + longestLife + REVOCATION_KEPT
      const fields = encodeRevocationRecord({ ...one, seq, mark, time: now, keepUntil })
      return { kind: RECORD_KIND.REVOCATION, name: entryName(seq), expected: 0, fields }
    })
    return [...entries, ...(await this.#outdated(now, revoked.length))]
  }

  close(): void {
    this.#unwatch()
    this.#listeners.clear()
  }

  #hearOf(kind: RecordKind): Promise<void> | undefined {
    if (kind !== RECORD_KIND.REVOCATION) return undefined
    this.#told++
    return this.settle()
  }

  /** An entry that cannot be read now is read before the next question is answered. */
  #catchUp(): void {
    this.settle().catch(() => undefined)
  }

  async #read(): Promise<void> {
    this.#isWanted = false
    const told = this.#told
    try {
      await this.#readOldest()
      for (;;) {
        const page = await this.entries(this.#newest + 1, PAGE)
        for (const entry of page) this.#add(entry)
        if (page.length < PAGE) break
      }
      this.#covered = told
      this.#hasFailed = false
    } catch (cause) {
      this.#hasFailed = true
      throw cause
    }
  }

  /** An entry is dropped only after everything that it revokes has ended. */
  async #readOldest(): Promise<void> {
    const [oldest] = await this.entries(this.#oldest, 1)
    if (oldest === undefined || oldest.seq === this.#oldest) return
    this.#oldest = oldest.seq
    this.#newest = Math.max(this.#newest, oldest.seq - 1)
    for (const [ticket, seq] of this.#tickets) {
      if (seq >= oldest.seq) break
      this.#tickets.delete(ticket)
    }
  }

  #add(entry: RevocationEntry): void {
    this.#newest = entry.seq
    if (entry.kind === 'ticket') this.#tickets.set(toHex(entry.by), entry.seq)
    for (const listener of [...this.#listeners]) listener(entry)
  }

  async #outdated(now: number, added: number): Promise<VaultChange[]> {
    const spare = this.#newest + added - this.#oldest + 1 - REVOCATIONS_KEPT
    if (spare <= 0 || !this.#isSettled()) return []
    const limit = Math.min(spare, REVOCATIONS_CLEARED)
    const changes: VaultChange[] = []
    const page = { after: entryName(this.#oldest - 1), limit }
    for (const { name, version, fields } of await this.#vault.list(RECORD_KIND.REVOCATION, page)) {
      if (decodeRevocationRecord(fields).keepUntil >= now) break
      changes.push({ kind: RECORD_KIND.REVOCATION, name, expected: version, fields: undefined })
    }
    return changes
  }
}

function notCurrent(): OrthrusError {
  return new OrthrusError('unavailable', 'this KDC may not have heard of all revocations')
}

/** The name of the record of an entry. */
export function entryName(seq: number): string {
  return String(seq).padStart(DIGITS, '0')
}
