import { LRUCache } from 'lru-cache'
import type { Fraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Clock, MINUTE, SECOND } from '../../shared/time.js'

/** Tuning: the first pause is between one and two seconds; it doubles with each refusal that follows it. */
const PAUSE_FIRST = 2 * SECOND
const PAUSE_MAX = MINUTE

export interface RefusalMemoryOptions {
  readonly clock: Clock
  readonly fraction: Fraction
  /** How many questions are remembered; the least recently asked go first. */
  readonly max: number
}

interface Remembered {
  readonly refusal: OrthrusError
  /** In a row. */
  readonly times: number
  /** On the monotonic clock. */
  readonly until: number
}

/**
 * What the KDC refused. The same question is not asked again before a pause, so that a client that is refused and tries
 * for ever costs the KDC next to nothing.
 */
export class RefusalMemory {
  readonly #options: RefusalMemoryOptions
  readonly #kept: LRUCache<string, Remembered>

  constructor(options: RefusalMemoryOptions) {
    this.#options = options
    this.#kept = new LRUCache({ max: options.max })
  }

  /** The refusal of a question that is not to be asked again yet. */
  recall(question: string): OrthrusError | undefined {
    const known = this.#kept.get(question)
    return known !== undefined && this.#options.clock.monotonic() < known.until ? known.refusal : undefined
  }

  /** @returns how long the question is not asked again, milliseconds. */
  keep(question: string, refusal: OrthrusError): number {
    const now = this.#options.clock.monotonic()
    const before = this.#kept.peek(question)
    // Asked twice at the same time.
    if (before !== undefined && now < before.until) return before.until - now
    const times = (before?.times ?? 0) + 1
    const pause = this.#pause(times, refusal.facts.retryAfter ?? 0)
    this.#kept.set(question, { refusal, times, until: now + pause })
    return pause
  }

  forget(question: string): void {
    this.#kept.delete(question)
  }

  /** Every question may be asked again, as at first. */
  clear(): void {
    this.#kept.clear()
  }

  /**
   * Asks, unless that was refused just now.
   * @param refused is told of each refusal that was not remembered before, and how long it will be.
   * @throws OrthrusError the refusal, the remembered one too
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

  /** With jitter, so that clients that were refused together do not come back together. */
  #pause(times: number, retryAfter: number): number {
    const fraction = this.#options.fraction()
    const own = Math.min(PAUSE_MAX, PAUSE_FIRST * 2 ** (times - 1)) * (0.5 + fraction / 2)
    // Anybody can name a time in the KDC's place: no more than a minute is believed.
    return Math.max(own, Math.min(PAUSE_MAX, retryAfter) * (1 + fraction / 4))
  }
}

/** Whether an ERROR said so, which alone tells a time: that no KDC can be reached has pauses of its own. */
function isRefusal(cause: unknown): cause is OrthrusError {
  return cause instanceof OrthrusError && cause.facts.time !== undefined
}
