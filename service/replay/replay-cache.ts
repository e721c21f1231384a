import type {
  Admission,
  AdmissionRefusal,
  AdmissionRequest,
  ReplayCache,
} from '../../shared/accept/replay.js'
import { SIZE, WINDOW } from '../../shared/constants.js'
import { shown } from '../../shared/shown-text.js'
import { type Clock, SECOND } from '../../shared/time.js'
import type { ClockEvent, ReplayCacheFullEvent } from '../report/replay-events.js'
import { MAX_BYTES_LEAST, ReplayEntries } from './replay-entries.js'
import { ReplayFloor } from './replay-floor.js'

/** Tuning, not protocol. */
const MAX_BYTES_DEFAULT = 64 * 1024 * 1024
/** Milliseconds between two warnings of one kind, by the monotonic clock. */
const WARNING_INTERVAL = 10 * SECOND

/**
 * What the operator of a service should know (docs/protocol.md section 8, "Floor"). Either the clock is far below the
 * floor, so every request is `unavailable`; or the clock leapt or the memory was used up, so the floor was raised.
 */
export type ReplayWarning = ClockEvent | ReplayCacheFullEvent

/** Options of `BoundedReplayCache`. */
export interface BoundedReplayCacheOptions {
  readonly clock: Clock
  /** The most memory that it may use, bytes. Default 64 MiB, at least 512 KiB. */
  readonly maxBytes?: number
  /** For tests: the first floor, milliseconds, in place of now + 6 s. */
  readonly floor?: number
  /** Called after the step, at most every 10 s for each kind. */
  readonly onWarning?: (warning: ReplayWarning) => void
}

/**
 * The replay cache of one process, in bounded memory (docs/protocol.md section 8, "Floor" and step 4). `admit` is
 * synchronous, so nothing can happen between its checks and its record. An id is looked up only in the bucket of its
 * stamp. This is enough because the id is a MAC that covers the stamp. When memory is used up, the oldest bucket is
 * dropped and the floor rises to its newest stamp, so that what was forgotten is refused from then on.
 */
export class BoundedReplayCache implements ReplayCache {
  readonly #clock: Clock
  readonly #onWarning: ((warning: ReplayWarning) => void) | undefined
  readonly #floor: ReplayFloor
  readonly #entries: ReplayEntries
  readonly #warnedAt = new Map<ReplayWarning['kind'], number>()
  #warning: ReplayWarning['kind'] | undefined
  #isOver = false

  /** To be made when the service begins to accept requests. @throws TypeError if `maxBytes` is too small */
  constructor(options: BoundedReplayCacheOptions) {
    const { clock, maxBytes = MAX_BYTES_DEFAULT, floor, onWarning } = options
    if (!(maxBytes >= MAX_BYTES_LEAST)) {
      throw new TypeError(`maxBytes must be at least ${MAX_BYTES_LEAST}, not ${shown(maxBytes)}`)
    }
    this.#clock = clock
    this.#onWarning = onWarning
    this.#floor = new ReplayFloor(clock, floor)
    this.#entries = new ReplayEntries(maxBytes)
  }

  /** The number of entries. A few of the oldest may already lie at or below the floor. */
  get size(): number {
    return this.#entries.size
  }

  /** Nothing stamped at or below this time is accepted, milliseconds. */
  get floor(): number {
    return this.#floor.time
  }

  /** Bytes allocated; never more than `maxBytes`. */
  get bytes(): number {
    return this.#entries.bytes
  }

  /** How many entries always fit. One presenter may have a quarter of them. */
  get capacity(): number {
    return this.#entries.capacity
  }

  /**
   * Step 4 of section 8: reads the clock, raises the floor, checks, records. A refused request leaves no trace.
   * @throws TypeError if the id is not 16 bytes or the clock does not give whole milliseconds
   */
  admit(request: AdmissionRequest): Admission {
    if (request.id.length !== SIZE.REPLAY_ID) throw new TypeError(`an id must have ${SIZE.REPLAY_ID} bytes`)
    const now = this.#floor.step()
    if (this.#floor.hasLeapt) this.#warning = 'clock_leapt'
    this.#entries.forgetUpTo(this.#floor.time)
    const refusal = this.#decide(request, now)
    const floor = this.#floor.time
    if (this.#warning !== undefined) this.#warn(this.#warning, now, floor)
    return refusal === undefined ? { now, floor } : { now, floor, refusal }
  }

  /**
   * Ends it: nothing is admitted any more.
   * @returns whatever was admitted is stamped at or below this, milliseconds; undefined if the clock moved, so that it
   * tells the next start nothing
   */
  end(): number | undefined {
    this.#isOver = true
    const now = this.#floor.step()
    return this.#floor.hasLeapt || this.#floor.isFarAhead(now) ? undefined : this.#floor.newest
  }

  #decide({ id, time, presenter, endTime }: AdmissionRequest, now: number): AdmissionRefusal | undefined {
    if (this.#isOver) return 'unavailable'
    if (now - endTime >= WINDOW.EXPIRED_UNRECORDED) return 'ticket_expired'
    if (this.#floor.isFarAhead(now)) {
      this.#warning = 'clock_went_back'
      return 'unavailable'
    }
    if (this.#floor.excludes(time, now)) return 'clock_skew'
    const key = this.#entries.keyOf(id)
    if (this.#entries.has(key, time)) return 'replay'
    if (this.#entries.isOverQuota(presenter)) return 'rate_limited'
    while (!this.#entries.reserve()) {
      this.#floor.raise(this.#entries.dropOldest())
      this.#warning = 'replay_cache_full'
      if (this.#floor.excludes(time, now)) return 'clock_skew'
    }
    this.#entries.insert(key, time, presenter)
    this.#floor.accepted(time)
    return undefined
  }

  /** Called after the step, so that a hook that throws, or admits a request itself, cannot disturb the cache. */
  #warn(kind: ReplayWarning['kind'], now: number, floor: number): void {
    this.#warning = undefined
    const monotonic = this.#clock.monotonic()
    const last = this.#warnedAt.get(kind)
    if (last !== undefined && monotonic - last < WARNING_INTERVAL) return
    this.#warnedAt.set(kind, monotonic)
    this.#onWarning?.({ kind, now, floor })
  }
}
