import { LRUCache } from 'lru-cache'
import type { Principal } from '../../shared/principal.js'
import type { Rate } from './defaults.js'

/** What was counted of one client in its present interval. */
export interface Count {
  /** May be raised. */
  count: number
  /** By the monotonic clock, milliseconds. */
  readonly endsAt: number
}

/** How many clients are counted. Beyond, the client that was not asked for longest is forgotten. */
const CLIENTS_MAX = 100_000

/**
 * Counts by client that proved its key, each in an interval of its own that begins with its first count. Nobody can make
 * up such names, so each has an exact count; what anybody can make up is counted by `CountSketch`.
 */
export class ClientCounts {
  readonly #counts = new LRUCache<Principal, Count>({ max: CLIENTS_MAX })
  readonly #interval: number
  readonly #monotonic: () => number

  /** @param monotonic milliseconds */
  constructor({ interval }: Pick<Rate, 'interval'>, monotonic: () => number) {
    this.#interval = interval
    this.#monotonic = monotonic
  }

  /** What counts from now on as the client's. */
  at(client: Principal): Count {
    const now = this.#monotonic()
    const known = this.#counts.get(client)
    if (known !== undefined && now < known.endsAt) return known
    const begun = { count: 0, endsAt: now + this.#interval }
    this.#counts.set(client, begun)
    return begun
  }

  /** How long an interval lasts yet, milliseconds. */
  left({ endsAt }: Count): number {
    return endsAt - this.#monotonic()
  }
}
