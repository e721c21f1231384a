import { SIZE } from '../constants.js'
import type { Value } from '../encoding/encoding.js'
import { bytesOf, fields, nullable, numberOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import { DAY } from '../time.js'

/** The calls by which a service follows the revocation log (docs/protocol.md section 10). Times in milliseconds. */

/** The methods of `kdc@realm` for followers. Whoever has a channel may call them. */
export const FEED_METHODS = ['follow', 'alive', 'seen'] as const
export type FeedMethod = (typeof FEED_METHODS)[number]

/** The last entry that a follower applied, and of which log; null if there is none yet. */
export interface FeedPosition {
  readonly logId: Uint8Array
  readonly seq: number
  readonly mark: Uint8Array
}

/** The arguments of `follow`. */
export function encodeFollow(position: FeedPosition | null): Value[] {
  return position === null ? [null, null, null] : [position.logId, position.seq, position.mark]
}

/** A position of which a part is missing is none. @throws OrthrusError `malformed` */
export function decodeFollow(args: readonly Value[]): FeedPosition | null {
  const [id, number, bytes] = fields(args, 3)
  const logId = nullable(id, value => bytesOf(value, SIZE.LOG_ID).slice())
  const seq = nullable(number, numberOf)
  const mark = nullable(bytes, value => bytesOf(value, SIZE.MARK).slice())
  return logId === null || seq === null || mark === null ? null : { logId, seq, mark }
}

/** The results of `follow` and `alive`: which entries the log has. Of an empty log, `oldest` is 1 and `newest` 0. */
export interface LogState {
  readonly logId: Uint8Array
  readonly oldest: number
  readonly newest: number
  /** KDC time of the answer. */
  readonly time: number
}

export function encodeLogState({ logId, oldest, newest, time }: LogState): Value[] {
  return [logId, oldest, newest, time]
}

/** @throws OrthrusError `malformed` */
export function decodeLogState(results: readonly Value[]): LogState {
  const [logId, first, last, time] = fields(results, 4)
  const [oldest, newest] = [numberOf(first), numberOf(last)]
  if (oldest === 0 || newest + 1 < oldest) throw malformed('a log whose newest entry is before its oldest')
  return { logId: bytesOf(logId, SIZE.LOG_ID).slice(), oldest, newest, time: numberOf(time) }
}

/** The arguments of `seen`. @param seq of the last entry that the follower applied */
export function encodeSeen(seq: number): Value[] {
  return [seq]
}

/** @throws OrthrusError `malformed` */
export function decodeSeen(args: readonly Value[]): number {
  const [seq] = fields(args, 1)
  return numberOf(seq)
}

/** The fields of the event `survive`. @param outage null for none */
export function encodeSurvive(outage: number | null): Value[] {
  return [outage ?? 0]
}

/** @returns milliseconds; 0 for none. @throws OrthrusError `malformed` */
export function decodeSurvive(list: readonly Value[]): number {
  const [outage] = fields(list, 1)
  const milliseconds = numberOf(outage)
  if (milliseconds > SURVIVE_MOST) throw malformed('an outage of more than a year')
  return milliseconds
}

/** The longest outage that a follower is told of, milliseconds. */
const SURVIVE_MOST = 366 * DAY

/** The names of the events of a channel to `kdc@realm`. */
export const KDC_EVENT = {
  /** An entry of the log, with its fields. */
  ENTRY: 'entry',
  /** The caller's own key is due to change (section 12). */
  ROTATE: 'rotate',
  /** For how long the follower is to go on without a KDC, milliseconds; 0 for as long as it would by itself. */
  SURVIVE: 'survive',
  /**
   * To an administrator, before the answer to its change: another KDC, by its id, did not apply the change in time and
   * lost its place.
   */
  PUT_OUT: 'put-out',
} as const
