import { latin1Text, toHex } from '../../shared/bytes.js'
import type { RevocationEntry } from '../../shared/revocation/entry.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'

/** Tuning, not protocol: about 150 bytes of memory each. */
export const REVOCATIONS_MAX = 1_000_000

/** What the entries of one log revoke, apart from keys. */
export interface LogEntries {
  readonly logId: Uint8Array
  /** Numbers of entries, by what they revoke. */
  readonly seqs: ReadonlyMap<string, number>
  /** When everything that its entries revoke has ended, milliseconds. */
  readonly keepUntil: number
}

interface MutableEntries extends LogEntries {
  readonly seqs: Map<string, number>
  keepUntil: number
}

/**
 * Everything that was revoked and has not ended. It forgets only what its KDC says is over, or what came under another
 * log id when it is over by all clocks (docs/protocol.md section 10). Above its bound it takes nothing more.
 */
export class RevokedSet {
  readonly #max: number
  readonly #logs = new Map<string, MutableEntries>()
  #size = 0
  #lastKvno = 0
  /**
   * Tickets that no entry held now revokes. A service sees the same ones again and again, and to look the bytes of their
   * ids up costs more than all else that following a KDC adds to a request.
   */
  #unrevoked: WeakSet<OpenedTicket> | undefined

  /** @param max how many entries it takes, at least 1 */
  constructor(max: number) {
    this.#max = max
  }

  /** How many revocations are held. */
  get size(): number {
    return this.#size
  }

  /** Tickets of this service under this kvno or a lower one are revoked. 0 if none is. It never falls. */
  get lastKvno(): number {
    return this.#lastKvno
  }

  get isHalfFull(): boolean {
    return 2 * this.#size >= this.#max
  }

  get logs(): Iterable<LogEntries> {
    return this.#logs.values()
  }

  /** @returns false if there is no room for it, and then it was not taken */
  add(logId: Uint8Array, entry: Extract<RevocationEntry, { readonly by: Uint8Array }>): boolean {
    return this.restore(logId, latin1Text(entry.by), entry.seq, entry.keepUntil)
  }

  /** @param by the bytes of `entry.by`, as characters */
  restore(logId: Uint8Array, by: string, seq: number, keepUntil: number): boolean {
    const log = this.#logOf(logId)
    const before = log.seqs.get(by)
    if (before === undefined && this.#size >= this.#max) return false
    log.keepUntil = Math.max(log.keepUntil, keepUntil)
    if (before !== undefined && before >= seq) return true
    // Deleted first, so that the order stays that of the numbers.
    if (!log.seqs.delete(by)) this.#size++
    log.seqs.set(by, seq)
    this.#unrevoked = undefined
    return true
  }

  revokeKey(kvno: number): void {
    this.#lastKvno = Math.max(this.#lastKvno, kvno)
  }

  /** @param ticket as it is kept between requests: the same object is taken for the same ticket */
  has(ticket: OpenedTicket): boolean {
    if (ticket.kvno <= this.#lastKvno) return true
    if (this.#unrevoked?.has(ticket)) return false
    if (this.#finds(ticket)) return true
    this.#unrevoked ??= new WeakSet()
    this.#unrevoked.add(ticket)
    return false
  }

  #finds({ clientId, ticketId }: OpenedTicket): boolean {
    for (const { seqs } of this.#logs.values()) {
      if (seqs.has(latin1Text(clientId)) || seqs.has(latin1Text(ticketId))) return true
    }
    return false
  }

  /** Forgets the entries of this log that its KDC has dropped. */
  dropBelow(logId: Uint8Array, oldest: number): void {
    const name = toHex(logId)
    const log = this.#logs.get(name)
    for (const [by, seq] of log?.seqs ?? []) {
      if (seq >= oldest) break
      log?.seqs.delete(by)
      this.#size--
    }
    if (log?.seqs.size === 0) this.#logs.delete(name)
  }

  /** Forgets the logs, but for the one that is followed, whose entries are all over. @param now milliseconds */
  dropOthers(followed: Uint8Array, now: number): void {
    for (const [name, log] of this.#logs) {
      if (name === toHex(followed) || log.keepUntil >= now) continue
      this.#logs.delete(name)
      this.#size -= log.seqs.size
    }
  }

  #logOf(logId: Uint8Array): MutableEntries {
    const name = toHex(logId)
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = { logId: logId.slice(), seqs: new Map(), keepUntil: 0 }
      this.#logs.set(name, log)
    }
    return log
  }
}
