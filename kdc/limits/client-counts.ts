import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import type { Rate } from './defaults.js'

/** What was counted for one client in its current interval. */
export interface Count {
  /** Changes with each count. */
  count: number
  /** By the monotonic clock, milliseconds. */
  readonly endsAt: number
}

/** How many clients are counted. Beyond that, the client that has asked for nothing for longest is forgotten. */
const CLIENTS_MAX = 100_000

/**
 * Counts by client that proved its key, each in an interval of its own that begins with its first count. Nobody can
 * make up such names, so each has an exact count; what anybody can make up is counted by `CountSketch`.
 */
export class ClientCounts {
  readonly #counts = new RecentlyUsed<Principal, Count>(CLIENTS_MAX)
  readonly #interval: number
  readonly #monotonic: () => number

  /** @param monotonic milliseconds */
  constructor({ interval }: Pick<Rate, 'interval'>, monotonic: () => number) {
    this.#interval = interval
    this.#monotonic = monotonic
  }

  /** The count of the client's current interval, or of a new one. */
  at(client: Principal): Count {
    const now = this.#monotonic()
    const known = this.#counts.get(client)
    if (known !== undefined && now < known.endsAt) return known
    const begun = { count: 0, endsAt: now + this.#interval }
    this.#counts.set(client, begun)
    return begun
  }

  /** How much longer the interval lasts, milliseconds. */
  left({ endsAt }: Count): number {
    return endsAt - this.#monotonic()
  }
}
