import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { type Clock, HOUR } from '../../shared/time.js'

/** Tuning: of how many services at such origins it is remembered when the log was last told. */
const TOLD_MAX = 1_000
/** For how long one service at one origin has one line of the log, milliseconds. */
const QUIET = HOUR

export interface UnprotectedOptions {
  /** Normalised. */
  readonly origins: ReadonlySet<string>
  readonly clock: Clock
  readonly logger: Logger
}

interface Taken {
  answers: number
  /** Milliseconds, monotonic. */
  toldAt: number
}

/**
 * The option `allowUnprotected` of `connect`: at these origins an answer without a proof is taken, as long as the service
 * there has shown nothing of the protocol. A service that has proved itself once is taken to be protected from then on, so
 * that whoever removes its proofs on the way gains nothing.
 */
export class UnprotectedOrigins {
  readonly #origins: ReadonlySet<string>
  readonly #clock: Clock
  readonly #logger: Logger
  /** Only what was proved gets in, so it has no more entries than the realm has services. */
  readonly #proved = new Set<string>()
  readonly #taken: RecentlyUsed<string, Taken> = new RecentlyUsed(TOLD_MAX)

  constructor({ origins, clock, logger }: UnprotectedOptions) {
    this.#origins = origins
    this.#clock = clock
    this.#logger = logger
  }

  has(origin: string): boolean {
    return this.#origins.has(origin)
  }

  /** The service proved itself at this origin. */
  proved(origin: string, service: Principal): void {
    if (this.has(origin)) this.#proved.add(placeOf(origin, service))
  }

  hasProved(origin: string, service: Principal): boolean {
    return this.#proved.has(placeOf(origin, service))
  }

  /** An answer without a proof was taken. */
  took(origin: string, service: Principal): void {
    const place = placeOf(origin, service)
    const taken = this.#taken.get(place) ?? { answers: 0, toldAt: Number.NEGATIVE_INFINITY }
    this.#taken.set(place, taken)
    taken.answers++
    const now = this.#clock.monotonic()
    if (now - taken.toldAt < QUIET) return
    taken.toldAt = now
    this.#logger.warn(
      { origin, service, answers: taken.answers },
      'an answer without a proof was taken, as allowUnprotected says: this service has still to be protected',
    )
  }
}

/** No origin has a space. */
function placeOf(origin: string, service: Principal): string {
  return `${origin} ${service}`
}
