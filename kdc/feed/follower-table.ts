import type { FollowerRow } from '../../shared/administration/revocations.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { FOLLOWERS } from '../limits/defaults.js'
import type { Follower } from './follower.js'

/** What is kept of a follower that left. */
interface Departed {
  readonly seen: number
  readonly sent: number
  /** By the monotonic clock, milliseconds. */
  readonly heardAt: number
}

/**
 * Which principals follow the log, from which addresses, and which of them did and left. A follower that comes back to
 * the address that it left from takes the place of what was kept of it. What is kept is bounded, and in memory only.
 */
export class FollowerTable {
  readonly #connected = new Map<Principal, Set<Follower>>()
  readonly #departed = new RecentlyUsed<Principal, Map<string, Departed>>(FOLLOWERS.PRINCIPALS_KEPT)

  add(follower: Follower): void {
    const { principal, address } = follower.channel
    const others = this.#connected.get(principal) ?? new Set()
    this.#connected.set(principal, others.add(follower))
    const left = this.#departed.get(principal)
    if (left?.delete(address) && left.size === 0) this.#departed.delete(principal)
  }

  /** @returns whether it was there */
  remove(follower: Follower): boolean {
    const { principal, address } = follower.channel
    const others = this.#connected.get(principal)
    if (!others?.delete(follower)) return false
    if (others.size === 0) this.#connected.delete(principal)
    if (![...others].some(({ channel }) => channel.address === address)) this.#keep(follower)
    return true
  }

  /** Those of one principal, the oldest first. */
  of(principal: Principal): ReadonlySet<Follower> {
    return this.#connected.get(principal) ?? NOBODY
  }

  *connected(): Generator<Follower> {
    for (const followers of this.#connected.values()) yield* followers
  }

  /** One row for each follower that is connected, and for each address that others left from. @param now monotonic */
  *rows(now: number): Generator<FollowerRow> {
    for (const { channel, seen, sent, heardAt } of this.connected()) {
      const { principal, address } = channel
      yield { principal, address, seen, sent, connected: true, silentFor: Math.floor(now - heardAt) }
    }
    for (const [principal, places] of this.#departed.entries()) {
      for (const [address, { seen, sent, heardAt }] of places) {
        const silentFor = Math.floor(now - heardAt)
        if (silentFor < FOLLOWERS.KEPT) {
          yield { principal, address, seen, sent, connected: false, silentFor }
        }
      }
    }
  }

  #keep({ channel: { principal, address }, seen, sent, heardAt }: Follower): void {
    const places = this.#departed.get(principal) ?? new Map<string, Departed>()
    places.delete(address)
    places.set(address, { seen, sent, heardAt })
    for (const oldest of places.keys()) {
      if (places.size <= FOLLOWERS.ADDRESSES_KEPT) break
      places.delete(oldest)
    }
    this.#departed.set(principal, places)
  }
}

const NOBODY: ReadonlySet<Follower> = new Set()
