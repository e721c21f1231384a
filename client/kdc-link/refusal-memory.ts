import type { Fraction } from '../../shared/crypto/fraction.js'
import { type ErrorCode, OrthrusError } from '../../shared/errors.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { type Clock, MINUTE, SECOND } from '../../shared/time.js'

/** Tuning: the first pause is between one and two seconds. It doubles with each further refusal. */
const PAUSE_FIRST = 2 * SECOND
const PAUSE_MAX = MINUTE

export interface RefusalMemoryOptions {
  readonly clock: Clock
  readonly fraction: Fraction
  /** The largest number of questions remembered. The least recently asked are dropped first. */
  readonly max: number
}

interface Remembered {
  readonly refusal: OrthrusError
  /** How many times in a row it was refused. */
  readonly times: number
  /** When it may be asked again, on the monotonic clock. */
  readonly until: number
}

/**
 * Remembers what the KDC refused. The same question is asked again only after a pause, so that a client that is refused
 * and keeps trying costs the KDC next to nothing.
 */
export class RefusalMemory {
  readonly #options: RefusalMemoryOptions
  readonly #kept: RecentlyUsed<string, Remembered>

  constructor(options: RefusalMemoryOptions) {
    this.#options = options
    this.#kept = new RecentlyUsed(options.max)
  }

  /** The remembered refusal, if the question may not be asked again yet. */
  recall(question: string): OrthrusError | undefined {
    const known = this.#kept.get(question)
    return known !== undefined && this.#options.clock.monotonic() < known.until ? known.refusal : undefined
  }

  /** @returns the pause before the question may be asked again, milliseconds */
  keep(question: string, refusal: OrthrusError): number {
    const now = this.#options.clock.monotonic()
    const before = this.#kept.peek(question)
    // The question was asked twice at the same time.
    if (before !== undefined && now < before.until) return before.until - now
    const times = (before?.times ?? 0) + 1
    const pause = this.#pause(times, refusal.facts.retryAfter ?? 0)
    this.#kept.set(question, { refusal, times, until: now + pause })
    return pause
  }

  forget(question: string): void {
    this.#kept.delete(question)
  }

  /** Forgets all refusals. */
  clear(): void {
    this.#kept.clear()
  }

  /**
   * Asks, unless the question was refused a moment ago.
   * @param refused called with each new refusal and the pause that follows it, milliseconds
   * @throws OrthrusError the refusal, new or remembered
   */
  async guard<T>(
    question: string,
    ask: () => Promise<T>,
    refused: (refusal: OrthrusError, pause: number) => void = () => {},
  ): Promise<T> {
    const known = this.recall(question)
    if (known !== undefined) throw known
    try {
      const answer = await ask()
      this.forget(question)
      return answer
    } catch (cause) {
      if (isRefusal(cause)) refused(cause, this.keep(question, cause))
      throw cause
    }
  }

  /** Random in part, so that clients that were refused together do not return together. */
  #pause(times: number, retryAfter: number): number {
    const fraction = this.#options.fraction()
    const own = Math.min(PAUSE_MAX, PAUSE_FIRST * 2 ** (times - 1)) * (0.5 + fraction / 2)
    // Anybody can send a pause in the KDC's name, so at most a minute of it is believed.
    return Math.max(own, Math.min(PAUSE_MAX, retryAfter) * (1 + fraction / 4))
  }
}

/**
 * What stays so until somebody changes something, or until the time that the KDC names. What passes by itself, as
 * `unavailable` or `clock_skew`, is asked again: nothing may keep a client from a KDC that is well again.
 */
const REMEMBERED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'auth_failed',
  'password_wrong',
  'principal_disabled',
  'rate_limited',
])

/** Whether it came as an ERROR, which always has a time. An unreachable KDC has its own pauses in the connection. */
function isRefusal(cause: unknown): cause is OrthrusError {
  return cause instanceof OrthrusError && cause.facts.time !== undefined && REMEMBERED.has(cause.code)
}
