import type { Principal } from '../../shared/principal.js'
import type { Limits } from '../limits/defaults.js'
import { NETWORK_SHARES, networksOf } from '../limits/networks.js'

/** One connection as it is counted. */
export interface ConnectionShare {
  /** Called when somebody proved a key over the connection: from now on it counts for that client, from any address. */
  prove(client: Principal): void
  /** The connection is gone. */
  release(): void
}

type Cut = (
  reason: 'closed to make room for another of its address' | 'closed to make room for another of its client',
) => void

interface Counted {
  /** The shares that it counts towards. */
  readonly names: string[]
  readonly cut: Cut
  proved: boolean
}

/**
 * The shares that addresses and clients have of all connections. One address is many people, and one of them may hold
 * as many connections as it can, so nobody is refused. Instead, the oldest connection of a full share makes room. Only
 * connections over which no key was proved count for an address, so a stranger never pushes out a client.
 */
export class ConnectionShares {
  readonly #limits: Pick<Limits, 'connectionsPerAddress' | 'connectionsPerClient'>
  /** By network and by client, whose names are always different; the oldest first. */
  readonly #shares = new Map<string, Set<Counted>>()

  constructor(limits: Pick<Limits, 'connectionsPerAddress' | 'connectionsPerClient'>) {
    this.#limits = limits
  }

  /**
   * @param address as `countedAddress` names it
   * @param cut ends the connection, which has left its share by then
   */
  take(address: string, cut: Cut): ConnectionShare {
    const { connectionsPerAddress, connectionsPerClient } = this.#limits
    const counted: Counted = { names: [], cut, proved: false }
    for (const [i, network] of networksOf(address).entries()) {
      const most = connectionsPerAddress * (NETWORK_SHARES[i] ?? 1)
      this.#enter(network, counted, most, 'closed to make room for another of its address')
    }
    return {
      prove: client => {
        if (counted.proved || counted.names.length === 0) return
        counted.proved = true
        this.#leave(counted)
        this.#enter(client, counted, connectionsPerClient, 'closed to make room for another of its client')
      },
      release: () => this.#leave(counted),
    }
  }

  #enter(name: string, counted: Counted, most: number, reason: Parameters<Cut>[0]): void {
    const [oldest] = this.#shares.get(name) ?? []
    if (oldest !== undefined && (this.#shares.get(name)?.size ?? 0) >= most) {
      this.#leave(oldest)
      oldest.cut(reason)
    }
    const share = this.#shares.get(name) ?? new Set()
    this.#shares.set(name, share.add(counted))
    counted.names.push(name)
  }

  #leave(counted: Counted): void {
    for (const name of counted.names.splice(0)) {
      const share = this.#shares.get(name)
      share?.delete(counted)
      if (share?.size === 0) this.#shares.delete(name)
    }
  }
}
