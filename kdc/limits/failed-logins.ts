import type { RandomSource } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import { CountSketch } from './count-sketch.js'
import { COUNTERS, type Limits } from './defaults.js'
import { KnownPlaces } from './known-places.js'
import { NetworkCounts, type Reached } from './network-counts.js'

/** A limit of failed logins that is reached. */
export interface GuessesReached extends Reached {
  readonly limit: keyof GuessLimits
}

export type GuessLimits = Pick<Limits, 'failedLogins' | 'failedLoginsPerAddress' | 'failedLoginsPerName'>

/**
 * Counts logins that proved no key. One address is many people, so they are counted first by address and name, then by
 * address with a far larger share, and by name from anywhere over a longer time. Names that do not exist count like
 * others. Anybody can make up names, so the counts have a fixed size and none is ever dropped for another.
 *
 * The counts never stop a key that was drawn at random: nobody guesses 32 bytes. A password can be guessed. So even a
 * right one is refused, and looks wrong, if its name was guessed at from its address too often. If it was not used from
 * that address before, the other two limits refuse it too.
 */
export class FailedLogins {
  readonly #pairs: CountSketch
  readonly #names: CountSketch
  readonly #networks: NetworkCounts
  /** Where passwords were right. */
  readonly #places = new KnownPlaces()

  /** @param monotonic milliseconds */
  constructor(limits: GuessLimits, monotonic: () => number, random: RandomSource) {
    const common = { monotonic, random }
    this.#pairs = new CountSketch(limits.failedLogins, { counters: COUNTERS.PAIRS, ...common })
    this.#names = new CountSketch(limits.failedLoginsPerName, { counters: COUNTERS.NAMES, ...common })
    this.#networks = new NetworkCounts(limits.failedLoginsPerAddress, {
      counters: COUNTERS.NETWORKS,
      ...common,
    })
  }

  /** Bytes of all counts. */
  get bytes(): number {
    return this.#pairs.bytes + this.#names.bytes + this.#networks.bytes
  }

  /** @returns the limit that was reached before this one, if any */
  count(address: string, name: Principal): GuessesReached | undefined {
    const [pair, all] = [this.#pairs.count(pairOf(address, name)), this.#names.count(name)]
    const network = this.#networks.count(address)
    return pairReached(pair, address, name) ?? nameReached(all, name) ?? networkReached(network)
  }

  /** For a right password. @returns the limit that refuses it */
  refusalOf(address: string, name: Principal): GuessesReached | undefined {
    const pair = pairReached(this.#pairs.left(pairOf(address, name)), address, name)
    if (pair !== undefined || this.#places.has(address, name)) return pair
    return nameReached(this.#names.left(name), name) ?? networkReached(this.#networks.reached(address))
  }

  /**
   * Records that a right password was used there, in a request that is fresh and not a repeat: a recorded one shows
   * nothing.
   */
  knowPlace(address: string, name: Principal): void {
    this.#places.add(address, name)
  }

  /** Whether so many logins from there failed that its next ones should not hold up those of others. */
  isCrowded(address: string): boolean {
    return this.#networks.reached(address) !== undefined
  }
}

/** Neither an address nor a name contains a space. */
function pairOf(address: string, name: Principal): string {
  return `${address} ${name}`
}

function pairReached(left: number, address: string, name: Principal): GuessesReached | undefined {
  return left > 0 ? { limit: 'failedLogins', what: `as ${name} from ${address}`, left } : undefined
}

function nameReached(left: number, name: Principal): GuessesReached | undefined {
  return left > 0 ? { limit: 'failedLoginsPerName', what: `as ${name}`, left } : undefined
}

function networkReached(reached: Reached | undefined): GuessesReached | undefined {
  return reached && { limit: 'failedLoginsPerAddress', ...reached }
}
