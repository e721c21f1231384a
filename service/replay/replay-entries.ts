import { REPLAY_SHARE, SIZE, WINDOW } from '../../shared/constants.js'
import { createHashKey, halfSipHash } from '../../shared/crypto/half-sip-hash.js'
import { ForgottenRecords } from './replay-forgotten.js'
import { NameHash } from './replay-hash.js'
import { PAGE_BYTES, PAGE_RECORDS, PagePool } from './replay-pages.js'
import { NONE, ReplayTable } from './replay-table.js'

/** Tuning, not protocol. A bucket's width, milliseconds; a power of two divides times up to 2^53 - 1 exactly. */
const BUCKET_WIDTH = 512
/** Stamps not yet forgotten span at most 65 s, so buckets in use never share a place. */
const BUCKETS = Math.ceil((WINDOW.SERVICE_PAST + WINDOW.SERVICE_FUTURE) / BUCKET_WIDTH) + 1
/** With less memory, most of it would be partly filled pages, one in each bucket. */
export const MAX_BYTES_LEAST = 512 * 1024
/** Memory for buckets, seeds and everything else that exists only once: a generous estimate. */
const FIXED_BYTES = 32 * 1024
/** An insert takes at most one page for its bucket and one for its presenter. */
const PAGES_PER_INSERT = 2
/**
 * How many pages of forgotten entries a step goes over: as a rule, so that all are soon gone over while requests come, and
 * it costs each of them a few microseconds; and once more when a presenter's share depends on it, for less than a millisecond.
 */
const PAGES_COUNTED = { EACH_STEP: 4, FOR_A_SHARE: 512 } as const
const KEY_WORDS = SIZE.REPLAY_ID / 4

/** An id prepared for a look-up. */
export interface ReplayKey {
  readonly words: Uint32Array
  readonly hash: number
}

interface Bucket {
  /** Its stamps begin at `number * BUCKET_WIDTH`. This and `newest` have no meaning while `size` is 0. */
  number: number
  newest: number
  size: number
  readonly table: ReplayTable
}

/**
 * The ids that were admitted and are not yet forgotten, in buckets by their stamps, each with its presenter; and the
 * number of entries per presenter (docs/protocol.md section 8, "Floor"). All are kept in pages of one pool: 32 bytes
 * per entry and 32 per presenter. A bucket is forgotten as a whole, in one step, since nothing in it is looked for any
 * more; its entries are subtracted from their presenters' counts page by page in the steps that follow.
 */
export class ReplayEntries {
  readonly #pagesMax: number
  readonly #pool: PagePool
  readonly #buckets: readonly Bucket[]
  /** Presenters of the entries; the value is how many entries they have, with those forgotten but not subtracted yet. */
  readonly #presenters: ReplayTable
  readonly #forgotten: ForgottenRecords
  readonly #hashKey = createHashKey()
  readonly #names = new NameHash()
  readonly #key = { words: new Uint32Array(KEY_WORDS), hash: 0 }
  readonly #idBytes = new Uint8Array(this.#key.words.buffer)
  #firstBucket = Number.NEGATIVE_INFINITY
  #size = 0

  /** @param maxBytes at least `MAX_BYTES_LEAST` */
  constructor(maxBytes: number) {
    this.#pagesMax = Math.floor((maxBytes - FIXED_BYTES) / PAGE_BYTES)
    this.#pool = new PagePool(this.#pagesMax)
    this.#presenters = new ReplayTable(this.#pool)
    this.#forgotten = new ForgottenRecords(this.#pool, presenter => this.#uncount(presenter))
    this.#buckets = Array.from({ length: BUCKETS }, () => ({
      number: 0,
      newest: 0,
      size: 0,
      table: new ReplayTable(this.#pool),
    }))
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return FIXED_BYTES + this.#pool.bytes
  }

  /**
   * How many entries always fit, however they are spread over the buckets: all pages except a partly filled one in each
   * bucket and those of the presenters' counts, which are never more than the pages of the entries.
   */
  get capacity(): number {
    return (this.#pagesMax - this.#presenters.pages - BUCKETS - PAGES_PER_INSERT) * PAGE_RECORDS
  }

  /** Prepares an id for `has` and `insert`. The next call overwrites the result. */
  keyOf(id: Uint8Array): ReplayKey {
    for (let i = 0; i < SIZE.REPLAY_ID; i++) this.#idBytes[i] = id[i] as number
    this.#key.hash = halfSipHash(this.#hashKey, this.#key.words, KEY_WORDS)
    return this.#key
  }

  /** Whether the bucket of the stamp has the id. All 16 bytes are compared. */
  has({ words, hash }: ReplayKey, time: number): boolean {
    return this.#bucketOf(time).table.find(words, hash) !== NONE
  }

  /**
   * Whether the presenter has used up its share of the capacity. Where many entries were forgotten together, some of its own
   * may still count until requests of anybody, or a few more of its own, have come.
   */
  isOverQuota(presenter: string): boolean {
    if (!this.#hasUsedUp(presenter)) return false
    if (this.#forgotten.isEmpty) return true
    this.#forgotten.tellPages(PAGES_COUNTED.FOR_A_SHARE)
    return this.#hasUsedUp(presenter)
  }

  #hasUsedUp(presenter: string): boolean {
    const name = this.#names.of(presenter)
    const record = this.#presenters.find(name, name[0] as number)
    if (record === NONE) return false
    return this.#presenters.value(record) >= Math.floor(this.capacity * REPLAY_SHARE)
  }

  /** Makes sure that there is memory for one entry. @returns false if something must be forgotten first */
  reserve(): boolean {
    while (this.#pool.freePages < PAGES_PER_INSERT && !this.#forgotten.isEmpty) this.#forgotten.tellPages(1)
    return this.#pool.reserve(PAGES_PER_INSERT)
  }

  /** Adds an id that is not there yet. `reserve` must have returned true before. */
  insert({ words, hash }: ReplayKey, time: number, presenter: string): void {
    const bucket = this.#bucketOf(time)
    bucket.table.insert(words, hash, this.#count(presenter))
    // If `newest` is of earlier, forgotten entries, it lies at or below the floor and so below `time`.
    bucket.newest = Math.max(bucket.newest, time)
    bucket.number = bucketNumber(time)
    bucket.size++
    this.#size++
  }

  /** Empties the buckets that lie entirely at or below the floor. To be called in each step. */
  forgetUpTo(floor: number): void {
    const first = bucketNumber(floor + 1)
    if (first !== this.#firstBucket) {
      this.#firstBucket = first
      this.#forget(this.#buckets.filter(bucket => bucket.size > 0 && bucket.number < first))
    }
    if (!this.#forgotten.isEmpty) this.#forgotten.tellPages(PAGES_COUNTED.EACH_STEP)
  }

  /** Empties the oldest bucket and returns the newest time in it. @throws TypeError if there is no entry */
  dropOldest(): number {
    let oldest: Bucket | undefined
    for (const bucket of this.#buckets) {
      if (bucket.size > 0 && (oldest === undefined || bucket.number < oldest.number)) oldest = bucket
    }
    if (oldest === undefined) throw new TypeError('nothing to drop')
    this.#forget([oldest])
    return oldest.newest
  }

  /** Counts one more entry of a presenter and returns the presenter's record. */
  #count(presenter: string): number {
    const name = this.#names.of(presenter)
    const found = this.#presenters.find(name, name[0] as number)
    if (found === NONE) return this.#presenters.insert(name, name[0] as number, 1)
    this.#presenters.setValue(found, this.#presenters.value(found) + 1)
    return found
  }

  #forget(buckets: readonly Bucket[]): void {
    for (const bucket of buckets) {
      this.#size -= bucket.size
      bucket.size = 0
      this.#forgotten.add(bucket.table.empty())
    }
    if (this.#size > 0) return
    // No entry is left, as after a long pause, so every count is 0. This frees the pages of the counts, too.
    this.#forgotten.drop()
    this.#presenters.clear()
  }

  #uncount(presenter: number): void {
    const left = this.#presenters.value(presenter) - 1
    this.#presenters.setValue(presenter, left)
    if (left === 0) this.#presenters.remove(presenter)
  }

  #bucketOf(time: number): Bucket {
    return this.#buckets[bucketNumber(time) % BUCKETS] as Bucket
  }
}

function bucketNumber(time: number): number {
  return Math.floor(time / BUCKET_WIDTH)
}
