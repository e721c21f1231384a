import type { OrthrusError } from '../../shared/errors.js'

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

/**
 * One step of a commit. The version written is `expected + 1`. A name that is created again starts at version 1, or goes
 * on where it ended: as the store does it. What must not start again needs a tombstone of its own.
 */
export interface Change {
  readonly kind: RecordKind
  readonly name: string
  /** The version that must be current; 0 if the record must not exist. */
  readonly expected: number
  /** `undefined` deletes. A function is called with the version that is written; it may be called more than once. */
  readonly value: Uint8Array | ((version: number) => Uint8Array) | undefined
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

/**
 * Called for each record that may have changed; without a name if every record of the kind may have. It must not throw.
 * It forgets the record at once. Where it has to read it again to know it, the promise resolves when it has, and rejects
 * if it could not.
 */
export type WatchListener = (kind: RecordKind, name: string | undefined) => void | Promise<void>

/** What becomes of a KDC among those that share a store. */
export type ReplicaNotice =
  /** It has a place among them, and begins with nothing in memory. */
  | { readonly kind: 'joined' }
  /** It can no longer tell whether it has seen all changes. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** It can again. @property after milliseconds */
  | { readonly kind: 'current'; readonly after: number }
  /** Another one did not apply a change in time, and was put out by this one. */
  | { readonly kind: 'put_out'; readonly other: string }
  /** The store has gone back to what it was before. Revisions count the changes of the store. */
  | { readonly kind: 'restored'; readonly seen: number; readonly found: number }

/** One of the KDCs that share a store, as others see it. */
export interface Member {
  readonly id: string
  /** What it tells of itself, in text that means nothing to the store. */
  readonly told: string
}

/** One of the KDCs that share a store. */
export interface Replica {
  /** Names it among them: hex digits, drawn when the process starts. */
  readonly id: string

  /**
   * Whether the watchers have applied every change that was made more than a second ago. Only then may anything be
   * answered from memory. It is asked in the same step in which an answer is sealed, so it neither waits nor allocates.
   */
  isCurrent(): boolean

  /**
   * Resolves when it is current; `undefined` while it is.
   * @throws OrthrusError `unavailable` if it never will be
   */
  whenCurrent(): Promise<void> | undefined

  /** Those that it knows to have a place, itself included: all that had one when it took its own, and who came since. */
  readonly members: readonly Member[]

  /** Why it is not current, and what to do; `undefined` while it is. */
  readonly fault: OrthrusError | undefined

  /**
   * Resolves when no KDC answers any more from what there was before the changes that the store has by now. One that
   * does not apply them in time is put out, and comes back with nothing in memory.
   * @returns the ids of those that were put out
   * @throws OrthrusError `unavailable` if that cannot be found out
   */
  settled(): Promise<readonly string[]>

  /** Calls the listener with each notice from now on, and at once with those that nobody heard. It must not throw. */
  onNotice(listener: (notice: ReplicaNotice) => void): void
}

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
   * When it resolves, nothing that was replaced or deleted before the call is found in the store any more, and on a disk
   * of its own no byte of it is left. It closes every snapshot.
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

  /** This KDC among those that share the store. A store for one process has none. */
  readonly replica?: Replica | undefined

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
