import { LRUCache } from 'lru-cache'
import { WINDOW } from '../../shared/constants.js'
import type { Principal } from '../../shared/principal.js'
import { type Clock, SECOND } from '../../shared/time.js'
import { type KdcClock, offsetOf, partedSince, type Span, wholeTime } from '../kdc-link/kdc-clock.js'

/** How long a request waits so that its stamp is not too far ahead, milliseconds (docs/protocol.md section 8). */
export const STAMP_WAIT_MAX = 2 * SECOND

interface ServiceTime {
  /** On the monotonic clock, for as long as it and the wall clock have not parted since. */
  readonly offset: number
  readonly wallAhead: number
  /** On the KDC's clock, which is asked for again where they have parted. */
  readonly aheadOfKdc: number
  readonly floor: number
}

/**
 * How requests are stamped: in KDC time, and for a service that answered `clock_skew` by its own clock and above
 * its floor (section 8, "What the client does with an error").
 */
export class ServiceTimes {
  readonly #clock: Clock
  readonly #kdcTime: KdcClock
  readonly #kept: LRUCache<Principal, ServiceTime>

  constructor(clock: Clock, kdcTime: KdcClock, max: number) {
    this.#clock = clock
    this.#kdcTime = kdcTime
    this.#kept = new LRUCache({ max })
  }

  /** What a proved `clock_skew` says replaces what was kept. */
  keep(service: Principal, time: number, floor: number, span: Span): void {
    const offset = offsetOf(time, span)
    const aheadOfKdc = this.#clock.monotonic() + offset - this.#kdcTime.now()
    this.#kept.set(service, { offset, aheadOfKdc, wallAhead: span.wallAhead, floor })
  }

  /** The stamp for a request that goes out now, milliseconds. */
  stamp(service: Principal): number {
    const kept = this.#kept.get(service)
    if (kept === undefined) return this.#kdcTime.now()
    return wholeTime(Math.max(this.#serviceNow(kept), kept.floor + 1))
  }

  /** How long to wait, milliseconds, until the stamp is within what the service accepts; at most 2 s. */
  wait(service: Principal): number {
    const kept = this.#kept.get(service)
    if (kept === undefined) return 0
    const ahead = kept.floor + 1 - WINDOW.SERVICE_FUTURE - this.#serviceNow(kept)
    return Math.min(Math.max(0, Math.ceil(ahead)), STAMP_WAIT_MAX)
  }

  #serviceNow({ offset, wallAhead, aheadOfKdc }: ServiceTime): number {
    const parted = partedSince(this.#clock, wallAhead) !== 0
    return Math.floor(parted ? this.#kdcTime.now() + aheadOfKdc : this.#clock.monotonic() + offset)
  }
}
