import { equalBytes } from '#primitives'
import { OrthrusError } from '../../shared/errors.js'
import type { RevocationEntry } from '../../shared/revocation/entry.js'
import type { FeedPosition, LogState } from '../../shared/revocation/feed.js'

/**
 * Where a follower is in the revocation log, and which entry must come next (docs/protocol.md section 10). Entries come
 * without gaps and in order, or the channel is given up.
 */
export class LogCursor {
  #position: FeedPosition | null
  #course: Course | undefined

  constructor(position: FeedPosition | null) {
    this.#position = position
  }

  /** The last entry that was applied. */
  get position(): FeedPosition | null {
    return this.#position
  }

  /** The answer of `follow`, from which the entries of one channel begin. */
  begin({ logId, oldest, newest }: LogState): void {
    const last = this.#position
    const isSameLog = last !== null && equalBytes(last.logId, logId)
    // The KDC alone knows whether its entry of this number has our mark. If not, it begins at its oldest entry.
    const mayGoOn = isSameLog && last.seq >= oldest - 1 && last.seq <= newest
    this.#course = {
      logId,
      oldest,
      newest,
      applied: undefined,
      goingOn: mayGoOn ? last.seq : undefined,
    }
  }

  /** @throws OrthrusError `channel_broken` if the entry is not the next one */
  requireNext({ seq }: RevocationEntry): void {
    const { applied, goingOn, oldest } = this.#required()
    const isNext =
      applied === undefined
        ? seq === oldest || (goingOn !== undefined && seq === goingOn + 1)
        : seq === applied + 1
    if (!isNext) throw outOfOrder(`entry ${seq} came after entry ${applied ?? this.#position?.seq ?? 0}`)
  }

  /** The entry was applied. */
  advance({ seq, mark }: RevocationEntry): void {
    const { logId } = this.#required()
    this.#course = { ...this.#required(), applied: seq }
    this.#position = { logId, seq, mark }
  }

  /**
   * The answer of `alive`, which the KDC gives behind all entries: nothing may be missing.
   * @throws OrthrusError `channel_broken`
   */
  requireCaughtUp({ logId, oldest, newest }: LogState): void {
    const course = this.#required()
    if (!equalBytes(logId, course.logId)) throw outOfOrder('the log has another id than a moment ago')
    if (newest < course.newest) throw outOfOrder(`the log ends at ${newest}, and ended at ${course.newest}`)
    const { applied = course.goingOn } = course
    const isEmpty = course.applied === undefined && newest === oldest - 1
    if (newest !== applied && !isEmpty) {
      throw outOfOrder(`the newest entry is ${newest}, and the last that came is ${applied ?? 'none'}`)
    }
    this.#course = { ...course, newest, applied: isEmpty ? undefined : applied }
  }

  /** The number of the last entry of the log that is followed, once it is known that it was applied. */
  get seen(): number | undefined {
    return this.#course?.applied
  }

  #required(): Course {
    if (this.#course === undefined) throw outOfOrder('the log was not asked for')
    return this.#course
  }
}

/** What one channel has said. */
interface Course {
  readonly logId: Uint8Array
  readonly oldest: number
  readonly newest: number
  /** The last entry that was applied, once that is known: what came before on another channel may be of another log. */
  readonly applied: number | undefined
  /** The entry behind which the KDC may go on, if it has ours. */
  readonly goingOn: number | undefined
}

function outOfOrder(reason: string): OrthrusError {
  return new OrthrusError('channel_broken', `the feed of revocations is not in order: ${reason}`)
}
