import { latin1Text } from '../../shared/bytes.js'
import type { Principal } from '../../shared/principal.js'
import type { FeedPosition } from '../../shared/revocation/feed.js'
import { type Clock, nowBy, type Reading } from '../../shared/time.js'
import type { LogCursor } from './cursor.js'
import type { RevokedSet } from './revoked-set.js'
import type { SavedFeed } from './saved-feed.js'

/** What of a feed outlives an orderly end. */

export function savedFeed(
  service: Principal,
  { sent, outage }: Pick<SavedFeed, 'sent' | 'outage'>,
  cursor: LogCursor,
  revoked: RevokedSet,
): SavedFeed {
  const logs = [...revoked.logs].map(({ logId, keepUntil, seqs }) => ({
    logId,
    keepUntil,
    entries: [...seqs].map(([by, seq]) => ({ seq, by: bytesOf(by) })),
  }))
  return { service, sent, outage, lastKvno: revoked.lastKvno, position: cursor.position, logs }
}

export interface RestoredFeed {
  readonly position: FeedPosition | null
  /** When the last answered question was sent; undefined if the clock went back since, so that nobody knows. */
  readonly sent: Reading | undefined
  readonly outage: number
}

/** @returns undefined if not all of it could be taken. Then the log is read from its beginning */
export function restoreFeed(saved: SavedFeed, revoked: RevokedSet, clock: Clock): RestoredFeed | undefined {
  revoked.revokeKey(saved.lastKvno)
  for (const { logId, keepUntil, entries } of saved.logs) {
    for (const { seq, by } of entries) {
      if (!revoked.restore(logId, latin1Text(by), seq, keepUntil)) return undefined
    }
  }
  const { wall, monotonic } = nowBy(clock)
  const age = wall - saved.sent
  const sent = age < 0 ? undefined : { wall: saved.sent, monotonic: monotonic - age }
  return { position: saved.position, sent, outage: saved.outage }
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0))
}
