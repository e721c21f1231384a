import type { Clock } from '../../shared/time.js'

/** Both readings of a clock at one moment, milliseconds. */
export interface Reading {
  readonly wall: number
  readonly monotonic: number
}

export function nowBy(clock: Clock): Reading {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

/** How old the feed is, and what KDC time it tells (docs/protocol.md section 10). */
export class Freshness {
  readonly #clock: Clock
  /** When the last question that was answered was sent. */
  #sent: Reading | undefined
  #told: { readonly time: number; readonly at: Reading } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts from this moment without an answer. */
  begin(sent: Reading): void {
    this.#sent = sent
  }

  /** @param sent when the question was sent. An answer may be held back on its way, so its arrival proves nothing */
  answered(sent: Reading, kdcTime: number): void {
    this.#sent = sent
    this.#told = { time: kdcTime, at: nowBy(this.#clock) }
  }

  /** Milliseconds since the sending of the last question that was answered; infinite if none was. @param now wall time */
  age(now: number): number {
    return this.#sent === undefined
      ? Number.POSITIVE_INFINITY
      : elapsed(this.#sent, now, this.#clock.monotonic())
  }

  /** KDC time by the last answer, at the least. Undefined without one. */
  get kdcTime(): number | undefined {
    return this.#told && this.#told.time + Math.max(0, this.#clock.monotonic() - this.#told.at.monotonic)
  }

  /** KDC time minus the service's clock when the last answer came, milliseconds. */
  get offset(): number | undefined {
    return this.#told && this.#told.time - this.#told.at.wall
  }
}

function elapsed({ wall, monotonic }: Reading, wallNow: number, monotonicNow: number): number {
  return Math.max(wallNow - wall, monotonicNow - monotonic)
}
