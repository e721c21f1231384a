import type { Fraction } from '../../shared/crypto/fraction.js'
import { SECOND } from '../../shared/time.js'
import { sleep } from '../../shared/timers.js'
import { FeedSession, type FeedSessionOptions } from './session.js'

/** The pause before the next channel, milliseconds: at random, so that all services do not come back together. */
const PAUSE = { LEAST: SECOND / 10, MOST: 5 * SECOND, ELSEWHERE: SECOND / 4 } as const

export interface FollowerOptions extends FeedSessionOptions {
  readonly fraction: Fraction
  /** A channel is over, or could not be opened. */
  readonly onLost: (cause: unknown) => void
  /** Whether there are several KDCs, so that the next channel goes to another one. */
  readonly hasSeveral: boolean
}

/** Follows the log over one channel after another, until it is closed. */
export class Follower {
  readonly #options: FollowerOptions
  readonly #closing = new AbortController()
  #session: FeedSession | undefined

  /** Begins at once. */
  constructor(options: FollowerOptions) {
    this.#options = options
    this.#run().catch(() => {})
  }

  close(): void {
    this.#closing.abort()
    this.#session?.end(this.#closing.signal.reason)
  }

  async #run(): Promise<void> {
    const { timers, fraction, onLost, hasSeveral } = this.#options
    const { signal } = this.#closing
    for (;;) {
      this.#session = new FeedSession(this.#options)
      const cause = await this.#session.over
      if (signal.aborted) return
      onLost(cause)
      const [least, most] =
        hasSeveral && this.#session.wasAlive ? [0, PAUSE.ELSEWHERE] : [PAUSE.LEAST, PAUSE.MOST]
      await sleep(timers, least + fraction() * (most - least), signal)
    }
  }
}
