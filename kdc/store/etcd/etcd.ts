/**
 * What the KDC asks of etcd, whichever way etcd is reached. Keys are ASCII text, values are bytes. Revisions, versions
 * and leases are whole numbers; a revision beyond 2^53 is refused.
 */

export interface KeyValue {
  readonly key: string
  readonly value: Uint8Array
  /** How many times it was written since it was created; etcd's `version`. */
  readonly version: number
  /** The revision of the store that wrote it last. */
  readonly modRevision: number
}

export interface RangeQuestion {
  readonly key: string
  /** The first key that is not wanted any more. Without it, `key` alone. */
  readonly end?: string
  readonly limit?: number
  /** As the store was at this revision. Default: now, linearizable. */
  readonly revision?: number
  readonly keysOnly?: boolean
}

export interface RangeAnswer {
  /** The revision of the store when it answered. */
  readonly revision: number
  readonly found: readonly KeyValue[]
  readonly more: boolean
}

export type Compare =
  | { readonly key: string; readonly version: number }
  | { readonly key: string; readonly modRevision: number }

export type Operation =
  | ({ readonly kind: 'range' } & RangeQuestion)
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string }

export interface Transaction {
  readonly compares: readonly Compare[]
  readonly operations: readonly Operation[]
  readonly otherwise?: readonly Operation[]
}

export interface TransactionAnswer {
  readonly revision: number
  readonly succeeded: boolean
  /** One for each operation that was carried out; `undefined` for a put or a delete. */
  readonly answers: readonly (RangeAnswer | undefined)[]
}

export interface WatchEvent {
  readonly kind: 'put' | 'delete'
  readonly key: string
  /** Empty for a delete. */
  readonly value: Uint8Array
  readonly version: number
  readonly modRevision: number
}

export interface WatchListener {
  /** All events of a revision come in one call, in order of revision, and no revision comes twice. */
  events(revision: number, events: readonly WatchEvent[]): void
  /** It never goes on by itself: the caller reads everything again and makes another one. Called once. */
  ended(cause: Error): void
}

export interface EtcdWatch {
  close(): void
}

/** A client of one etcd cluster. Every method rejects with OrthrusError `unavailable` if etcd cannot answer. */
export interface Etcd {
  range(question: RangeQuestion): Promise<RangeAnswer>
  /** After `unavailable` it may have been carried out or not. */
  transact(transaction: Transaction): Promise<TransactionAnswer>
  /** Everything from `key` up to `end`, beginning with the changes of `revision`. With `hasleader`. */
  watch(range: { key: string; end: string; revision: number }, listener: WatchListener): EtcdWatch
  /** @param ttl seconds @returns the id of the lease */
  grantLease(ttl: number): Promise<string>
  /** @returns the seconds that are left; 0 if it is gone */
  keepLease(lease: string): Promise<number>
  revokeLease(lease: string): Promise<void>
  /** When it resolves, what was replaced before `revision` is gone from the answering member; others follow. */
  compact(revision: number): Promise<void>
  close(): Promise<void>
}
