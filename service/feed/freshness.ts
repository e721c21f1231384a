import { type Clock, nowBy, type Reading } from '../../shared/time.js'

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

  /** Milliseconds since the sending of the last question that was answered; infinite if none was. */
  age(now: Reading): number {
    return this.#sent === undefined ? Number.POSITIVE_INFINITY : elapsed(this.#sent, now)
  }

  /** KDC time by the last answer, at the least. Undefined without one. */
  kdcTime({ monotonic }: Reading): number | undefined {
    return this.#told && this.#told.time + Math.max(0, monotonic - this.#told.at.monotonic)
  }

  /** KDC time minus the service's clock when the last answer came, milliseconds. */
  get offset(): number | undefined {
    return this.#told && this.#told.time - this.#told.at.wall
  }
}

function elapsed(since: Reading, now: Reading): number {
  return Math.max(now.wall - since.wall, now.monotonic - since.monotonic)
}
