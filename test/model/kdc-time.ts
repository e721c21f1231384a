/** How far ahead of the times that the KDC knows its cut-offs lie, less what a run itself takes, milliseconds. */
const CUT_OFF_AHEAD = 110_000

/**
 * KDC time as it must be: computed from the clock and from what happened, and never read from the KDC, whose idea of
 * the time would move the expectation with it.
 */
export class KdcTimeFacts {
  readonly #clock: () => number
  #newestStored = 0
  /** By the current process. */
  #newestAsked = 0
  /** By any process. */
  #newestIssued = 0

  /** @param clock the KDC's */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Never below the newest time stored (docs/protocol.md section 10). */
  now(): number {
    return Math.max(this.#clock(), this.#newestStored)
  }

  /** A change is stored, and the time with it. */
  stored(): void {
    this.#newestStored = this.now()
  }

  /** The KDC was asked something, whatever it answered. */
  asked(now: number): void {
    this.#newestAsked = Math.max(this.#newestAsked, now)
  }

  issued(now: number): void {
    this.#newestIssued = Math.max(this.#newestIssued, now)
  }

  /** Another process runs over the same store; it does not know when the last one was asked. */
  restarted(): void {
    this.#newestAsked = 0
  }

  /**
   * Whether a cut-off revokes everything that was issued. If not, the clock has gone back too far since an earlier
   * process.
   */
  get mayCutOff(): boolean {
    return Math.max(this.#newestAsked, this.now()) >= this.#newestIssued - CUT_OFF_AHEAD
  }
}
