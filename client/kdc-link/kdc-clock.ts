import { WINDOW } from '../../shared/constants.js'
import { type Clock, SECOND } from '../../shared/time.js'

/** An answer that took longer says too little about the other clock, milliseconds (docs/protocol.md section 6). */
const EXCHANGE_MAX = 2 * SECOND

/** When a request was sent and answered, milliseconds. */
export interface Span {
  /** On the monotonic clock. */
  readonly sentAt: number
  readonly receivedAt: number
  /** How far the wall clock was ahead of the monotonic clock when the request was sent. */
  readonly wallAhead: number
}

/** Call it when a request is sent, and the returned function when the answer has come. */
export function startSpan(clock: Clock): () => Span {
  const sentAt = clock.monotonic()
  const wallAhead = clock.now() - sentAt
  return () => ({ sentAt, receivedAt: clock.monotonic(), wallAhead })
}

/** How far another clock is ahead of the monotonic one. @param time from the answer of the other side, milliseconds */
export function offsetOf(time: number, { sentAt, receivedAt }: Span): number {
  return Math.floor(time - (sentAt + receivedAt) / 2)
}

/**
 * How far the wall clock has moved ahead of the monotonic clock since then, or behind it (negative), because the
 * machine slept or a clock was set. 0 if it is within the allowed second (section 6).
 */
export function partedSince(clock: Clock, wallAhead: number): number {
  const parted = clock.now() - clock.monotonic() - wallAhead
  return Math.abs(parted) <= WINDOW.CLOCKS_PART ? 0 : parted
}

/** Limits a time to the range that can be encoded, whatever the other side claimed. */
export function wholeTime(time: number): number {
  return Math.min(Math.max(0, Math.floor(time)), Number.MAX_SAFE_INTEGER)
}

interface Learned {
  readonly offset: number
  readonly wallAhead: number
}

/**
 * The KDC's clock, as an offset to the monotonic clock. Until the KDC has proved a time, it is this machine's clock.
 */
export class KdcClock {
  readonly #clock: Clock
  #learned: Learned | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get known(): boolean {
    return this.#learned !== undefined
  }

  /** This machine's own clock, milliseconds. */
  get own(): number {
    return wholeTime(this.#clock.now())
  }

  /** `partedSince` the time was learnt from the KDC; 0 if it was not learnt yet. */
  get parted(): number {
    return this.#learned === undefined ? 0 : partedSince(this.#clock, this.#learned.wallAhead)
  }

  /**
   * The KDC's time, milliseconds. If the clocks have parted, it is a guess until the KDC is asked again. The monotonic
   * clock may stop while the machine sleeps, so the guess follows the clock that advanced further.
   */
  now(): number {
    if (this.#learned === undefined) return wholeTime(this.#clock.now())
    return wholeTime(this.#clock.monotonic() + this.#learned.offset + Math.max(0, this.parted))
  }

  /** Learns the time from a proved answer. @returns false if the answer was too slow, which changes nothing */
  learn(time: number, span: Span): boolean {
    if (span.receivedAt - span.sentAt > EXCHANGE_MAX) return false
    this.correct(time, span)
    return true
  }

  /** Learns the time from a proved `clock_skew`, however slow it was: otherwise no request could ever succeed. */
  correct(time: number, span: Span): void {
    this.#learned = { offset: offsetOf(time, span), wallAhead: span.wallAhead }
  }
}
