import { CountSketch, type CountSketchOptions } from './count-sketch.js'
import type { Rate } from './defaults.js'
import { NETWORK_SHARES, networksOf } from './networks.js'

/** Which limit is reached, and for how long, milliseconds. */
export interface Reached {
  readonly what: string
  readonly left: number
}

/** Counts by address and by the networks that contain it. */
export class NetworkCounts {
  readonly #counts: CountSketch

  /** @param rate of one address; larger networks have a multiple of it (`NETWORK_SHARES`) */
  constructor(rate: Rate, options: CountSketchOptions) {
    this.#counts = new CountSketch(rate, options)
  }

  get bytes(): number {
    return this.#counts.bytes
  }

  /**
   * @param address as `countedAddress` names it
   * @returns the limit that is reached, if any
   */
  reached(address: string): Reached | undefined {
    return this.#firstReached(address, (network, share) => this.#counts.left(network, share))
  }

  /**
   * Counts one more from an address. Beyond the limit of a network it does not count for the larger ones, so that a
   * host does not use up the share of its neighbours.
   * @returns the limit that was reached before, if any
   */
  count(address: string): Reached | undefined {
    return this.#firstReached(address, (network, share) => this.#counts.count(network, share))
  }

  #firstReached(address: string, leftOf: (network: string, share: number) => number): Reached | undefined {
    for (const [i, network] of networksOf(address).entries()) {
      const left = leftOf(network, NETWORK_SHARES[i] ?? 1)
      if (left > 0) return { what: `from ${network}`, left }
    }
    return undefined
  }
}
