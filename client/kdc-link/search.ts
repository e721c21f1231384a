import type { Fraction } from '../../shared/crypto/fraction.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { Backoff } from './backoff.js'
import type { KdcLink } from './link.js'
import { combine } from './link-failure.js'
import { Turns } from './turns.js'

export interface SearchOptions {
  /** They are tried in the order of `Turns`. Without any, each search fails at once. */
  readonly urls: readonly string[]
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  /** How long to wait for one KDC before the next is tried too, milliseconds. */
  readonly step: number
  /** Begins to open a connection. */
  readonly open: (url: string) => KdcLink
  readonly opened: (link: KdcLink) => void
  /** Called when each URL has failed and no attempt is left that could still succeed. */
  readonly failed: (cause: OrthrusError) => void
  /** Whether anybody still needs a connection. */
  readonly isWanted: () => boolean
}

/**
 * Looks for a KDC that answers. An attempt that takes long stays open beside the next ones: a KDC that was frozen answers
 * on it, and where the network has lost it a later one succeeds.
 */
export class KdcSearch {
  readonly #options: SearchOptions
  readonly #turns: Turns
  readonly #backoff: Backoff
  #isRunning = false
  #isClosed = false
  #isRoundOver = false
  #isFound = false
  #wake: (() => void) | undefined
  readonly #attempts = new Set<KdcLink>()
  /** The latest failure at each URL. */
  readonly #failures = new Map<string, OrthrusError>()

  constructor(options: SearchOptions) {
    this.#options = options
    this.#turns = new Turns(options.urls, options.fraction)
    this.#backoff = new Backoff({ ...options, kdcs: options.urls.length })
  }

  /** Why no KDC was reached, as far as it is known. */
  get failure(): OrthrusError | undefined {
    return this.#failures.size === 0 ? undefined : combine([...this.#failures.values()])
  }

  /** Whether a connection is being opened. */
  get isAttempting(): boolean {
    return this.#attempts.size > 0
  }

  /** Begins, unless it has begun. */
  start(): void {
    if (!this.#isRunning && !this.#isClosed) void this.#run()
  }

  /** A KDC has answered at this link: the other attempts are given up, and the next search begins without a pause. */
  found(link: KdcLink): void {
    this.#isFound = true
    this.#backoff.end()
    this.#failures.clear()
    for (const attempt of [...this.#attempts]) if (attempt !== link) attempt.retire()
    this.#attempts.clear()
    this.#wake?.()
  }

  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }

  get #isWanted(): boolean {
    return !this.#isClosed && this.#options.isWanted()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    try {
      while (this.#isWanted) {
        await this.#wait(this.#backoff.left)
        await this.#round()
      }
    } finally {
      this.#isRunning = false
    }
  }

  async #round(): Promise<void> {
    const { urls, step } = this.#options
    if (!this.#isWanted) return
    this.#isFound = false
    this.#isRoundOver = false
    if (urls.length === 0) this.#options.failed(combine([]))
    const left = this.#turns.next()
    for (let url = left.shift(); url !== undefined && this.#isWanted; url = left.shift()) {
      this.#isRoundOver = left.length === 0
      this.#turns.tried(url)
      await this.#wait(step, this.#attempt(url))
    }
    if (!this.#isFound) this.#backoff.begin()
  }

  /** Resolves when the attempt has failed, and never if it succeeds. */
  #attempt(url: string): Promise<void> {
    const link = this.#options.open(url)
    this.#attempts.add(link)
    return new Promise(resolve => {
      link.opened.then(
        () => {
          if (this.#attempts.delete(link)) this.#options.opened(link)
          if (!this.#isWanted) this.#wake?.()
        },
        cause => {
          if (this.#attempts.delete(link)) this.#failed(url, cause)
          resolve()
        },
      )
    })
  }

  #failed(url: string, cause: OrthrusError): void {
    this.#failures.set(url, cause)
    if (this.#isRoundOver && this.#attempts.size === 0)
      this.#options.failed(combine([...this.#failures.values()]))
  }

  #wait(milliseconds: number, orUntil?: Promise<void>): Promise<void> {
    if (milliseconds <= 0 || !this.#isWanted) return Promise.resolve()
    const { timers } = this.#options
    return new Promise(resolve => {
      const wake = (): void => {
        timers.clearTimeout(timer)
        if (this.#wake === wake) this.#wake = undefined
        resolve()
      }
      const timer = timers.setTimeout(wake, milliseconds)
      this.#wake = wake
      orUntil?.then(wake)
    })
  }
}
