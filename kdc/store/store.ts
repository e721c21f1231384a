/** What kinds of record there are: a closed list. */
export const RECORD_KIND = {
  REALM: 'realm',
  PRINCIPAL: 'principal',
  POLICY: 'policy',
  REVOCATION: 'revocation',
} as const
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND]

/** Bytes that mean nothing to the store, and how many times they have been written. */
export interface Stored {
  readonly version: number
  readonly value: Uint8Array
}

export interface Listed extends Stored {
  readonly name: string
}

/** One step of a commit. The version written is `expected + 1`. */
export interface Change {
  readonly kind: RecordKind
  readonly name: string
  /** The version that must be current; 0 where there must be none. */
  readonly expected: number
  /** `undefined` deletes. A name that is created again starts at version 1: what must not restart needs a tombstone. */
  readonly value: Uint8Array | undefined
}

export interface Page {
  /** Only names behind this one; it need not exist. */
  readonly after?: string
  /** The largest number of records, 1 or more. */
  readonly limit: number
}

/** Called for each record that may have changed. It must not throw. */
export type WatchListener = (kind: RecordKind, name: string) => void

/**
 * Where the KDC keeps what must outlive it. A name is ASCII text of a character or more, without NUL. Every method
 * rejects with OrthrusError `unavailable` where the store cannot do its work, with TypeError where it is used wrongly.
 */
export interface Store {
  get(kind: RecordKind, name: string): Promise<Stored | undefined>

  /**
   * All changes or none; on stable storage when it resolves. After `unavailable` the changes may have been made or
   * not: read before trying again.
   * @throws StoreConflict where a version expected is not the current one; nothing has changed then.
   */
  commit(changes: readonly Change[]): Promise<void>

  /** In ascending order of the names' bytes; fewer than `limit` only at the end. */
  list(kind: RecordKind, page: Page): Promise<Listed[]>

  /** Calls the listener for each change after its commit, and perhaps also without one. @returns what ends that */
  watch(listener: WatchListener): () => void

  /** Ends after the commits under way. A second call does nothing. */
  close(): Promise<void>
}

/** Another change of the record came first: read it again and decide again. */
export class StoreConflict extends Error {
  override readonly name = 'StoreConflict'
  readonly kind: RecordKind
  readonly recordName: string

  constructor(kind: RecordKind, recordName: string, expected: number, actual: number) {
    super(`the ${kind} record ${recordName} is at version ${actual}, not ${expected}`)
    this.kind = kind
    this.recordName = recordName
  }
}
