import { WINDOW } from '../../shared/constants.js'
import { type Clock, SECOND } from '../../shared/time.js'

/** An answer that took longer says too little about the other side's clock, milliseconds (docs/protocol.md section 6). */
const EXCHANGE_MAX = 2 * SECOND

/** When something was asked and answered, milliseconds. */
export interface Span {
  /** On the monotonic clock. */
  readonly sentAt: number
  readonly receivedAt: number
  /** How far the wall clock was ahead of the monotonic one when it was sent. */
  readonly wallAhead: number
}

/** Call it when a question goes out, and what it returns when the answer is there. */
export function startSpan(clock: Clock): () => Span {
  const sentAt = clock.monotonic()
  const wallAhead = clock.now() - sentAt
  return () => ({ sentAt, receivedAt: clock.monotonic(), wallAhead })
}

/** How far another clock is ahead of the monotonic one, as the answer says that bears its `time`. */
export function offsetOf(time: number, { sentAt, receivedAt }: Span): number {
  return Math.floor(time - (sentAt + receivedAt) / 2)
}

/**
 * How far the wall clock has gone ahead of the monotonic one since, or fallen behind it: a machine that slept, a clock
 * that was set. 0 within the second that is allowed (section 6).
 */
export function partedSince(clock: Clock, wallAhead: number): number {
  const parted = clock.now() - clock.monotonic() - wallAhead
  return Math.abs(parted) <= WINDOW.CLOCKS_PART ? 0 : parted
}

/** A time that has an encoding, whatever the other side said its clock is. */
export function wholeTime(time: number): number {
  return Math.min(Math.max(0, Math.floor(time)), Number.MAX_SAFE_INTEGER)
}

interface Learned {
  readonly offset: number
  readonly wallAhead: number
}

/** The KDC's clock, as an offset kept on the monotonic one; until the KDC has proved a time, this machine's. */
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

  /** As `partedSince`, since the KDC told its time; 0 where it has told none. */
  get parted(): number {
    return this.#learned === undefined ? 0 : partedSince(this.#clock, this.#learned.wallAhead)
  }

  /**
   * Milliseconds. Where the clocks have parted it is a guess until the KDC was asked again: a machine's monotonic clock
   * may stand still while it sleeps, so the clock that went further is believed.
   */
  now(): number {
    if (this.#learned === undefined) return wholeTime(this.#clock.now())
    return wholeTime(this.#clock.monotonic() + this.#learned.offset + Math.max(0, this.parted))
  }

  /** Takes the time of an answer that the KDC proved. @returns whether it came soon enough to be taken. */
  learn(time: number, span: Span): boolean {
    if (span.receivedAt - span.sentAt > EXCHANGE_MAX) return false
    this.correct(time, span)
    return true
  }

  /** Takes the time of a proved `clock_skew`, however long it took: without it nothing would ever pass. */
  correct(time: number, span: Span): void {
    this.#learned = { offset: offsetOf(time, span), wallAhead: span.wallAhead }
  }
}
