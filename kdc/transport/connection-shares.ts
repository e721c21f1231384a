import type { Principal } from '../../shared/principal.js'
import type { Limits } from '../limits/defaults.js'
import { NETWORK_SHARES, networksOf } from '../limits/networks.js'
import type { ConnectionRefused } from '../report/events.js'
import { Crowds, type Membership } from './crowds.js'

/** One connection as it is counted. */
export interface ConnectionShare {
  /** A trusted proxy said where the connection comes from: from now on it counts for that address. */
  locate(address: string, cut: Cut): void
  /** Called when somebody proved a key over the connection: from now on it counts for that client, from any address. */
  prove(client: Principal): void
  /** The connection is gone. */
  release(): void
}

/** Ends a connection, which has left its share by then. */
export type Cut = (reason: ConnectionRefused['reason']) => void

interface Counted {
  cut: Cut
}

/** Of all connections, how many can be proved ones. The rest is always there for those that have yet to prove a key. */
const PROVED_SHARE = 3 / 4

/**
 * The shares that addresses and clients have of all connections. One address is many people, and one of them may hold
 * as many connections as it can, so nobody is refused. Instead, the oldest connection of a full share makes room, and
 * when all connections are taken, the oldest one of the address that has the most. So a few addresses cannot keep the
 * others out. Only connections over which no key was proved count for an address, so a stranger never pushes out a
 * client. Clients share their part of all connections in the same way.
 */
export class ConnectionShares {
  readonly #limits: Pick<Limits, 'connections' | 'connectionsPerAddress' | 'connectionsPerClient'>
  readonly #unproved = new Crowds<Counted>()
  readonly #proved = new Crowds<Counted>()

  constructor(limits: Pick<Limits, 'connections' | 'connectionsPerAddress' | 'connectionsPerClient'>) {
    this.#limits = limits
  }

  /** @param address as `countedAddress` names it. @returns `undefined` if there is no room */
  take(address: string, cut: Cut): ConnectionShare | undefined {
    const networks = membershipsOf(address)
    this.#makeRoomIn(networks)
    return this.#add({ cut }, networks)
  }

  /**
   * For a connection from a proxy that will say whose it is. Until then it has no share of an address.
   * @returns `undefined` if there is no room
   */
  takeUnlocated(proxy: string, cut: Cut): ConnectionShare | undefined {
    return this.#add({ cut }, [{ name: `proxy ${proxy}`, weight: 1 }])
  }

  #makeRoomIn(networks: readonly Membership[]): void {
    for (const { name, weight } of networks) {
      const share = this.#unproved.of(name)
      if (share.size < this.#limits.connectionsPerAddress * weight) continue
      this.#close(this.#unproved, share, 'closed to make room for another of its address')
    }
  }

  /**
   * The newcomer counts when the most crowded address is looked for, so that nobody gains by coming again and again.
   */
  #add(counted: Counted, networks: readonly Membership[]): ConnectionShare | undefined {
    this.#unproved.add(counted, networks)
    if (this.#unproved.size + this.#proved.size > this.#limits.connections) {
      const { crowd } = this.#unproved
      if (crowd.has(counted) && crowd.size === 1) {
        this.#unproved.remove(counted)
        return undefined
      }
      this.#close(this.#unproved, crowd, 'closed to make room for another address')
    }
    return {
      locate: (address, cut) => this.#locate(counted, address, cut),
      prove: client => this.#prove(counted, client),
      release: () => {
        this.#unproved.remove(counted)
        this.#proved.remove(counted)
      },
    }
  }

  #locate(counted: Counted, address: string, cut: Cut): void {
    if (!this.#unproved.remove(counted)) return
    counted.cut = cut
    const networks = membershipsOf(address)
    this.#makeRoomIn(networks)
    this.#unproved.add(counted, networks)
  }

  /** Where there is no room for one more of the client, the connection goes on counting for its address. */
  #prove(counted: Counted, client: Principal): void {
    if (!this.#unproved.has(counted) || !this.#makeRoomFor(client)) return
    this.#unproved.remove(counted)
    this.#proved.add(counted, [{ name: client, weight: 1 }])
  }

  /** @returns whether there is room for one more connection of the client, once others have made room */
  #makeRoomFor(client: Principal): boolean {
    const { connections, connectionsPerClient } = this.#limits
    const own = this.#proved.of(client)
    if (own.size >= connectionsPerClient) {
      return this.#close(this.#proved, own, 'closed to make room for another of its client')
    }
    if (this.#proved.size < Math.max(1, Math.floor(connections * PROVED_SHARE))) return true
    const { crowd } = this.#proved
    // Otherwise the two clients would take the place from each other without end.
    if (crowd.size <= own.size + 1) return false
    return this.#close(this.#proved, crowd, 'closed to make room for another client')
  }

  /** Closes the oldest connection of a group. @returns whether there is one */
  #close(crowds: Crowds<Counted>, group: ReadonlySet<Counted>, reason: Parameters<Cut>[0]): boolean {
    const [oldest] = group
    if (oldest === undefined) return false
    crowds.remove(oldest)
    oldest.cut(reason)
    return true
  }
}

function membershipsOf(address: string): readonly Membership[] {
  return networksOf(address).map((name, i) => ({ name, weight: NETWORK_SHARES[i] ?? 1 }))
}
