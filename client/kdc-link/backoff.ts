import type { Fraction } from '../../shared/crypto/fraction.js'
import { type Clock, SECOND } from '../../shared/time.js'

/**
 * Tuning: the first pause and the longest one, milliseconds. It doubles each time, so that a crowd of clients is little
 * load. A KDC that is the only one is missed sooner: it comes back alone, and nobody answers until it does.
 */
const PAUSE = {
  ONE: { FIRST: SECOND / 4, MAX: SECOND },
  SEVERAL: { FIRST: SECOND / 10, MAX: 5 * SECOND },
} as const

export interface BackoffOptions {
  readonly clock: Clock
  readonly fraction: Fraction
  /** How many KDCs there are. */
  readonly kdcs: number
}

/** The pauses between rounds in which every KDC failed. */
export class Backoff {
  readonly #clock: Clock
  readonly #fraction: Fraction
  readonly #pause: (typeof PAUSE)['ONE' | 'SEVERAL']
  #rounds = 0
  #until = Number.NEGATIVE_INFINITY

  constructor({ clock, fraction, kdcs }: BackoffOptions) {
    this.#pause = kdcs > 1 ? PAUSE.SEVERAL : PAUSE.ONE
    this.#clock = clock
    this.#fraction = fraction
  }

  /** How much of the pause is left, milliseconds; not above 0 if none is. */
  get left(): number {
    return this.#until - this.#clock.monotonic()
  }

  /** A round has failed. The pause is random in part, so that clients do not return together. */
  begin(): void {
    const { FIRST, MAX } = this.#pause
    const pause = Math.min(MAX, FIRST * 2 ** this.#rounds++) * (0.5 + 0.5 * this.#fraction())
    this.#until = this.#clock.monotonic() + pause
  }

  end(): void {
    this.#rounds = 0
    this.#until = Number.NEGATIVE_INFINITY
  }
}
