import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'

/** How many names are remembered, and how many addresses of each. */
const MOST = { NAMES: 10_000, ADDRESSES: 8 } as const

/**
 * From which addresses a right password was used. Each name has a few places of its own, so that somebody who has one
 * password and many addresses cannot make the KDC forget the addresses of others.
 */
export class KnownPlaces {
  /** The address that was used last comes last. */
  readonly #addresses = new RecentlyUsed<Principal, string[]>(MOST.NAMES)

  has(address: string, name: Principal): boolean {
    return this.#addresses.get(name)?.includes(address) ?? false
  }

  add(address: string, name: Principal): void {
    const others = (this.#addresses.get(name) ?? []).filter(known => known !== address)
    this.#addresses.set(name, [...others.slice(1 - MOST.ADDRESSES), address])
  }
}
