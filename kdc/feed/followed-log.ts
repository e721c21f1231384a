import type { RevocationEntry } from '../../shared/revocation/entry.js'

/** What the feed needs of the revocation log (docs/protocol.md section 10). */
export interface FollowedLog {
  /** The number of the oldest entry; 1 while there is none. */
  readonly oldest: number
  /** The number of the newest entry that was read; 0 while there is none. */
  readonly newest: number
  /** Whether everything was read that the store is known to have. */
  readonly isCurrent: boolean
  /** Resolves when everything was read that the store is known to have. @throws OrthrusError `unavailable` */
  current(): Promise<void>
  /** Resolves when everything was read that the store had at the call. @throws OrthrusError `unavailable` */
  settle(): Promise<void>
  /** @throws OrthrusError `unavailable` */
  entries(from: number, limit: number): Promise<RevocationEntry[]>
  /** @throws OrthrusError `unavailable` */
  has(seq: number, mark: Uint8Array): Promise<boolean>
  /** Calls the listener with each entry that is added, in their order. @returns a function that removes it */
  onEntry(listener: (entry: RevocationEntry) => void): () => void
}
