import type { RandomSource } from '../../shared/crypto/random.js'
import { MINUTE } from '../../shared/time.js'
import { MacTable, type Sighting } from './mac-table.js'

/** One bucket holds the requests whose stamps lie in one minute. */
const BUCKET = MINUTE

/** Stamps from 120 s before to 120 s after KDC time lie in at most five such minutes. */
const BUCKETS = 6

/**
 * How many requests are remembered. At 16 to 32 bytes each this is at most 32 MiB, and enough for a steady 2,900 new
 * requests a second.
 */
const MOST = 2 ** 20

/**
 * The proved requests whose time may still be fresh, so that an eavesdropper's repeats cost the client nothing
 * (docs/protocol.md section 7). They are remembered by the first bytes of the MAC, in buckets by the minute of the
 * stamp; a bucket is dropped as a whole. If there is no room, a request is not remembered, and each repeat of it counts
 * as a request of its client.
 */
export class SeenRequests {
  readonly #buckets: { minute: number; table: MacTable }[]
  readonly #random: RandomSource
  readonly #most: number
  #size = 0

  constructor(random: RandomSource, most = MOST) {
    this.#random = random
    this.#most = most
    this.#buckets = Array.from({ length: BUCKETS }, () => ({
      minute: Number.NaN,
      table: new MacTable(random),
    }))
  }

  /** How many requests are remembered. */
  get size(): number {
    return this.#size
  }

  /**
   * Only for requests that are proved and have a time within 120 s of KDC time.
   * @param time the stamp of the request, milliseconds
   * @param mayAdd whether a new request is remembered
   */
  see(mac: Uint8Array, time: number, mayAdd: boolean): Sighting {
    const table = this.#tableFor(Math.floor(time / BUCKET))
    const adds = mayAdd && this.#size < this.#most
    const sighting = table.see(mac, adds)
    if (sighting === 'new' && adds) this.#size += 1
    return sighting
  }

  /** If two minutes have the same place, none of the earlier one's stamps can be fresh any more. */
  #tableFor(minute: number): MacTable {
    const bucket = this.#buckets[minute % BUCKETS] as { minute: number; table: MacTable }
    if (bucket.minute !== minute) {
      this.#size -= bucket.table.size
      bucket.minute = minute
      bucket.table = new MacTable(this.#random)
    }
    return bucket.table
  }
}
