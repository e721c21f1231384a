import type { Fraction } from '../../shared/crypto/fraction.js'
import { SECOND } from '../../shared/time.js'
import { sleep } from '../../shared/timers.js'
import { FeedSession, type FeedSessionOptions } from './session.js'

/**
 * The pause before the next channel, milliseconds: at random, so that all services do not come back together. Where there
 * are several KDCs, the longest that it can be begins with `ELSEWHERE` and doubles with each channel that came to nothing:
 * while they have no store for a moment, as when the leader of etcd is lost, none of them says that it has everything.
 */
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
    const { timers, onLost } = this.#options
    const { signal } = this.#closing
    let failed = 0
    for (;;) {
      this.#session = new FeedSession(this.#options)
      const cause = await this.#session.over
      if (signal.aborted) return
      onLost(cause)
      failed = this.#session.wasAlive ? 0 : failed + 1
      await sleep(timers, this.#pause(failed), signal)
    }
  }

  /** @param failed how many channels in a row came to nothing */
  #pause(failed: number): number {
    const { hasSeveral, fraction } = this.#options
    const most = hasSeveral ? Math.min(PAUSE.MOST, PAUSE.ELSEWHERE * 2 ** failed) : PAUSE.MOST
    const least = hasSeveral && failed === 0 ? 0 : PAUSE.LEAST
    return least + fraction() * (most - least)
  }
}
