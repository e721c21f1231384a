import type { Logger } from '../../shared/logger.js'
import { type Clock, SECOND } from '../../shared/time.js'
import type { KdcClock } from './kdc-clock.js'

/** Tuning: the pause before the KDC is asked the time again after it did not answer, milliseconds. */
const PAUSE = 5 * SECOND

export interface ClockCheckOptions {
  readonly time: KdcClock
  readonly clock: Clock
  readonly logger: Logger
  /** One exchange with the KDC, from which its time is learnt. */
  readonly ask: () => Promise<unknown>
}

/** Asks the KDC the time if wall clock and monotonic clock have parted (docs/protocol.md section 6). */
export class ClockCheck {
  readonly #options: ClockCheckOptions
  #asking: Promise<void> | undefined
  /** Whether the KDC was away when it was last asked. `#againAt` is when to ask again, on the monotonic clock. */
  #guessing = false
  #againAt = Number.NEGATIVE_INFINITY

  constructor(options: ClockCheckOptions) {
    this.#options = options
  }

  /**
   * To be awaited before anything is stamped. While the KDC is away, the first caller waits for one attempt. Later
   * callers do not wait and use a guess.
   * @returns `undefined` if there is nothing to wait for; never rejects
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
    // The time as the monotonic clock alone has counted it.
    const counted = time.now() - Math.max(0, parted)
    const before = clock.monotonic()
    try {
      await ask()
      // The answer was too slow to learn the time from.
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

  /** @param missed by how much the KDC's time has advanced more than the monotonic clock, milliseconds */
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
