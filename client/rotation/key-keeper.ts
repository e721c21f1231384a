import type { Fraction } from '../../shared/crypto/fraction.js'
import type { Logger } from '../../shared/logger.js'
import { DAY, HOUR, MINUTE } from '../../shared/time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../shared/timers.js'
import type { Rotated } from './rotate.js'

/** The pause after a failure, milliseconds. It doubles with each further one. */
const RETRY_FIRST = 5 * MINUTE
const RETRY_MAX = 4 * HOUR

export interface KeyKeeperOptions {
  /** Changes the key if it is due. */
  readonly rotate: () => Promise<Rotated>
  /** KDC time, milliseconds. */
  readonly now: () => number
  readonly timers: Timers
  readonly fraction: Fraction
  readonly logger: Logger
}

/**
 * Asks once a day whether the key is due to change, and changes it. When in the day is drawn at random, so that clients
 * that were started together do not come together, and programs that live for minutes ask about once a day in all.
 */
export class KeyKeeper {
  readonly #options: KeyKeeperOptions
  #cancel: Cancel = () => {}
  #at = Number.POSITIVE_INFINITY
  #isBusy = false
  /** Whether it was told that the key is due while it was asking, and may have asked before that. */
  #isAsked = false
  #isClosed = false
  #failures = 0

  constructor(options: KeyKeeperOptions) {
    this.#options = options
    this.#plan(this.#someTimeToday())
  }

  /** The KDC says that the key is due: it is changed within a day. */
  ask(): void {
    // The KDC can be reached again, however often it could not.
    this.#failures = 0
    if (this.#isBusy) this.#isAsked = true
    else this.#plan(this.#someTimeToday())
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
  }

  #someTimeToday(): number {
    return this.#options.fraction() * DAY
  }

  /** @param delay milliseconds. What is planned for an earlier moment stays. */
  #plan(delay: number): void {
    const { timers, now } = this.#options
    const at = now() + delay
    if (this.#isClosed || at >= this.#at) return
    this.#cancel()
    this.#at = at
    this.#cancel = runAfter(inBackground(timers), delay, () => void this.#rotate())
  }

  async #rotate(): Promise<void> {
    const { rotate, now, logger, fraction } = this.#options
    this.#at = Number.POSITIVE_INFINITY
    this.#isBusy = true
    let delay = DAY
    try {
      const { kvno, firstEnd } = await rotate()
      this.#failures = 0
      if (kvno !== undefined) this.#tell(() => logger.info({ kvno }, 'the key was changed'))
      // An old key is erased when no ticket under it can live any more.
      delay = Math.min(DAY, Math.max(MINUTE, firstEnd - now()))
    } catch (cause) {
      delay = Math.min(RETRY_MAX, RETRY_FIRST * 2 ** this.#failures++) * (0.5 + fraction() / 2)
      this.#tell(() => logger.warn({ cause, again: Math.round(delay) }, 'the key could not be changed'))
    } finally {
      this.#isBusy = false
    }
    this.#plan(delay)
    if (this.#isAsked) this.#plan(this.#someTimeToday())
    this.#isAsked = false
  }

  /** A logger that fails must not keep the key from being changed, nor end the process. */
  #tell(log: () => void): void {
    if (this.#isClosed) return
    try {
      log()
    } catch {}
  }
}
