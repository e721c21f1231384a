/** The kinds of record: a closed list. */
export const RECORD_KIND = {
  REALM: 'realm',
  PRINCIPAL: 'principal',
  POLICY: 'policy',
  REVOCATION: 'revocation',
} as const
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND]

/** Bytes whose meaning the store does not know, and how many times they have been written. */
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
  /** The version that must be current; 0 if the record must not exist. */
  readonly expected: number
  /** `undefined` deletes. A name that is created again starts at version 1; what must not restart needs a tombstone. */
  readonly value: Uint8Array | undefined
}

export interface Page {
  /** Only names after this one, which need not exist. */
  readonly after?: string
  /** The largest number of records, 1 or more. */
  readonly limit: number
}

/** The records of one moment, whatever is committed meanwhile. A backup is read from one. */
export interface StoreSnapshot {
  /**
   * As `Store.list`, at the moment of the snapshot.
   * @throws OrthrusError `unavailable` if the snapshot was closed, by `close` or because the store could not keep it
   */
  list(kind: RecordKind, page: Page): Promise<Listed[]>
  /** Lets go of it. A second call does nothing. */
  close(): Promise<void>
}

/** Called for each record that may have changed. It must not throw. */
export type WatchListener = (kind: RecordKind, name: string) => void

/**
 * Where the KDC keeps what must outlive it. A name is ASCII text of at least one character, without NUL. Every method
 * rejects with OrthrusError `unavailable` if the store cannot do its work, and with TypeError if it is used wrongly.
 */
export interface Store {
  get(kind: RecordKind, name: string): Promise<Stored | undefined>

  /**
   * Makes all changes or none; they are on stable storage when it resolves. After `unavailable` the changes may have
   * been made or not: read before trying again.
   * @throws StoreConflict if the current version is not the expected one; nothing has changed then
   */
  commit(changes: readonly Change[]): Promise<void>

  /** In ascending order of the names' bytes; fewer than `limit` only at the end. */
  list(kind: RecordKind, page: Page): Promise<Listed[]>

  /** The store may have to keep what is replaced or deleted meanwhile, so it is closed as soon as possible. */
  snapshot(): Promise<StoreSnapshot>

  /**
   * When it resolves, nothing that was replaced or deleted before the call is left where the store keeps its records.
   * It closes every snapshot.
   */
  compact(): Promise<void>

  /**
   * Calls the listener for each change after its commit, and perhaps also without one.
   * @returns a function that removes the listener
   */
  watch(listener: WatchListener): () => void

  /**
   * Writes to stable storage without changing a record, behind pending commits: it tells whether a commit could be made.
   * A store need not have it.
   */
  requireWritable?(): Promise<void>

  /** Ends after pending commits. A second call does nothing. */
  close(): Promise<void>
}

/** Another change of the record was first: read it again and decide again. */
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
