import { type Clock, SECOND } from '../../shared/time.js'

/** An answer that took longer says too little about the other side's clock, milliseconds (docs/protocol.md section 6). */
const EXCHANGE_MAX = 2 * SECOND

/** When something was asked and answered, milliseconds of the monotonic clock. */
export interface Span {
  readonly sentAt: number
  readonly receivedAt: number
}

/** How far another clock is ahead of the monotonic one, as the answer says that bears its `time`. */
export function offsetOf(time: number, { sentAt, receivedAt }: Span): number {
  return Math.floor(time - (sentAt + receivedAt) / 2)
}

/** A time that has an encoding, whatever the other side said its clock is. */
export function wholeTime(time: number): number {
  return Math.min(Math.max(0, Math.floor(time)), Number.MAX_SAFE_INTEGER)
}

/** The KDC's clock, as an offset kept on the monotonic one; until the KDC has proved a time, this machine's. */
export class KdcClock {
  readonly #clock: Clock
  #offset: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get known(): boolean {
    return this.#offset !== undefined
  }

  /** Milliseconds. */
  now(): number {
    if (this.#offset === undefined) return wholeTime(this.#clock.now())
    return wholeTime(this.#clock.monotonic() + this.#offset)
  }

  /** Takes the time of an answer that the KDC proved. @returns whether it came soon enough to be taken. */
  learn(time: number, span: Span): boolean {
    if (span.receivedAt - span.sentAt > EXCHANGE_MAX) return false
    this.#offset = offsetOf(time, span)
    return true
  }

  /** Takes the time of a proved `clock_skew`, however long it took: without it nothing would ever pass. */
  correct(time: number, span: Span): void {
    this.#offset = offsetOf(time, span)
  }
}
