import { LRUCache } from 'lru-cache'
import type { Principal } from '../../shared/principal.js'
import { Counts } from './counts.js'
import type { Limits } from './defaults.js'
import { NETWORK_SHARES, networksOf } from './networks.js'

/** How many pairs of address and name, names, and networks are counted, and how many places are known. */
const MOST = { PAIRS: 50_000, NAMES: 50_000, NETWORKS: 50_000, PLACES: 10_000 } as const

export type GuessLimits = Pick<Limits, 'failedLogins' | 'failedLoginsPerAddress' | 'failedLoginsPerName'>

/** Which limit is reached, and when its interval ends, milliseconds from now. */
export interface Reached {
  readonly what: string
  readonly left: number
}

/**
 * Logins that proved no key. One address is many people, so they are counted by address and name first, by address with
 * a far larger share, and by name from anywhere over a longer time. Names that do not exist count like others.
 *
 * What is counted never stops a key that was drawn at random: nobody guesses 32 bytes. A password can be guessed, so a
 * right one too is refused, and looks wrong, where its name was guessed at from its address too often; where it was not
 * used from that address before, also by the other two.
 */
export class FailedLogins {
  readonly #limits: GuessLimits
  readonly #pairs: Counts
  readonly #names: Counts
  readonly #networks: Counts
  /** Where passwords were right. */
  readonly #places = new LRUCache<string, true>({ max: MOST.PLACES })

  constructor(limits: GuessLimits, monotonic: () => number) {
    this.#limits = limits
    this.#pairs = new Counts(limits.failedLogins, MOST.PAIRS, monotonic)
    this.#names = new Counts(limits.failedLoginsPerName, MOST.NAMES, monotonic)
    this.#networks = new Counts(limits.failedLoginsPerAddress, MOST.NETWORKS, monotonic)
  }

  /** @returns the limit that was reached before this one, if any */
  count(address: string, name: Principal): Reached | undefined {
    const reached = this.#pairReached(address, name) ?? this.#othersReached(address, name)
    this.#pairs.at(pairOf(address, name)).count += 1
    this.#names.at(name).count += 1
    for (const network of networksOf(address)) this.#networks.at(network).count += 1
    return reached
  }

  /** For a right password. @returns the limit that refuses it */
  refusalOf(address: string, name: Principal): Reached | undefined {
    const others = this.#places.get(pairOf(address, name)) ? undefined : this.#othersReached(address, name)
    return this.#pairReached(address, name) ?? others
  }

  /** A right password was used there, in a request that is fresh and no repeat: what somebody recorded shows nothing. */
  knowPlace(address: string, name: Principal): void {
    this.#places.set(pairOf(address, name), true)
  }

  /** Whether too many logins from there failed: its next ones should not hold up those of others. */
  isCrowded(address: string): boolean {
    return this.#networks.size > 0 && this.#networkReached(address) !== undefined
  }

  #pairReached(address: string, name: Principal): Reached | undefined {
    const pair = pairOf(address, name)
    if (this.#pairs.of(pair) < this.#limits.failedLogins.points) return undefined
    return { what: `as ${name} from ${address}`, left: this.#pairs.left(pair) }
  }

  #othersReached(address: string, name: Principal): Reached | undefined {
    if (this.#names.of(name) >= this.#limits.failedLoginsPerName.points) {
      return { what: `as ${name}`, left: this.#names.left(name) }
    }
    return this.#networkReached(address)
  }

  #networkReached(address: string): Reached | undefined {
    const { points } = this.#limits.failedLoginsPerAddress
    const networks = networksOf(address)
    const network = networks.find((name, i) => this.#networks.of(name) >= points * (NETWORK_SHARES[i] ?? 1))
    return network === undefined ? undefined : { what: `from ${network}`, left: this.#networks.left(network) }
  }
}

/** A space is in neither. */
function pairOf(address: string, name: Principal): string {
  return `${address} ${name}`
}
