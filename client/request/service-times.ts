import { WINDOW } from '../../shared/constants.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { type Clock, SECOND } from '../../shared/time.js'
import { type KdcClock, partedSince, type Span, wholeTime } from '../kdc-link/kdc-clock.js'

/** The longest wait of a request whose stamp would be too far ahead, milliseconds (docs/protocol.md section 8). */
export const STAMP_WAIT_MAX = 2 * SECOND

interface ServiceTime {
  /** Relative to the monotonic clock. Used as long as that and the wall clock have not parted since. */
  readonly offset: number
  readonly wallAhead: number
  /** Relative to the KDC's clock, which is learnt again and used once the two local clocks have parted. */
  readonly aheadOfKdc: number
  readonly floor: number
}

/**
 * Decides the stamps of requests: KDC time, or for a service that answered `clock_skew` its own clock, above its floor
 * (section 8, "What the client does with an error").
 */
export class ServiceTimes {
  readonly #clock: Clock
  readonly #kdcTime: KdcClock
  readonly #kept: RecentlyUsed<Principal, ServiceTime>

  constructor(clock: Clock, kdcTime: KdcClock, max: number) {
    this.#clock = clock
    this.#kdcTime = kdcTime
    this.#kept = new RecentlyUsed(max)
  }

  /**
   * Keeps the time and floor of a proved `clock_skew`, in place of earlier ones. The service read its clock at some moment
   * of the span, and is taken to have read it at the end: a stamp may be a minute old but only 5 s ahead, and a request that
   * waited long before its service looked at it would otherwise be stamped ahead by half of that.
   */
  keep(service: Principal, time: number, floor: number, span: Span): void {
    const offset = time - span.receivedAt
    const aheadOfKdc = this.#clock.monotonic() + offset - this.#kdcTime.now()
    this.#kept.set(service, { offset, aheadOfKdc, wallAhead: span.wallAhead, floor })
  }

  /** The stamp for a request that is sent now, milliseconds. */
  stamp(service: Principal): number {
    const kept = this.#kept.get(service)
    if (kept === undefined) return this.#kdcTime.now()
    return wholeTime(Math.max(this.#serviceNow(kept), kept.floor + 1))
  }

  /** How long to wait until the service will accept the stamp, milliseconds; at most 2 s. */
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
