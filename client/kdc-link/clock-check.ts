import type { Logger } from '../../shared/logger.js'
import { type Clock, SECOND } from '../../shared/time.js'
import type { KdcClock } from './kdc-clock.js'

/** Tuning: the pause between questions for the time while the KDC does not answer them, milliseconds. */
const PAUSE = 5 * SECOND

export interface ClockCheckOptions {
  readonly time: KdcClock
  readonly clock: Clock
  readonly logger: Logger
  /** One exchange with the KDC that tells its time. */
  readonly ask: () => Promise<unknown>
}

/** Asks the KDC for its time where wall and monotonic clock have parted (docs/protocol.md section 6). */
export class ClockCheck {
  readonly #options: ClockCheckOptions
  #asking: Promise<void> | undefined
  /** Whether the KDC was away when it was last asked, and when it is to be asked again, on the monotonic clock. */
  #guessing = false
  #againAt = Number.NEGATIVE_INFINITY

  constructor(options: ClockCheckOptions) {
    this.#options = options
  }

  /**
   * To be awaited before anything is stamped. While the KDC is away the first caller waits for one attempt; those after
   * it go by a guess, and wait for nothing.
   * @returns `undefined` where there is nothing to wait for. Never rejects.
   */
  trueTime(): Promise<void> | undefined {
    const { time, clock } = this.#options
    if (time.parted === 0 || clock.monotonic() < this.#againAt) return undefined
    this.#asking ??= this.#ask(time.parted).finally(() => {
      this.#asking = undefined
    })
    return this.#guessing ? undefined : this.#asking
  }

  async #ask(parted: number): Promise<void> {
    const { time, clock, logger, ask } = this.#options
    // What only counted the time until now.
    const counted = time.now() - Math.max(0, parted)
    const before = clock.monotonic()
    try {
      await ask()
      // An answer that was too slow to tell the time.
      if (time.parted !== 0) await ask()
    } catch (cause) {
      logger.warn({ parted, cause }, 'the clocks have parted, and the KDC cannot be asked the time')
    }
    this.#guessing = time.parted !== 0
    this.#againAt = clock.monotonic() + (this.#guessing ? PAUSE : 0)
    if (this.#guessing) return
    const missed = time.now() - counted - (clock.monotonic() - before)
    this.#tell(parted, missed)
  }

  /** @param missed how much more time has passed at the KDC than the monotonic clock has counted. */
  #tell(parted: number, missed: number): void {
    const { logger } = this.#options
    const fields = { parted: Math.round(parted), missed: Math.round(missed) }
    if (Math.abs(missed - parted) < Math.abs(missed)) {
      logger.info(fields, 'this machine slept, or was stopped; the KDC was asked the time')
    } else {
      logger.warn(fields, "this machine's clock was set; the KDC was asked the time")
    }
  }
}
