import { toHex } from '../../shared/bytes.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import type { Directory } from '../realm/directory.js'
import type { RevocationLog } from '../realm/revocation-log.js'

/** A channel, as far as what it was opened with can be revoked. */
export interface RevocableChannel {
  readonly service: string
  readonly tickets: readonly OpenedTicket[]
  /** Ends the channel unless everything that it was opened with still stands. */
  endUnlessStanding(): void
}

/** All open channels, by what each was opened with, so that a revocation reaches its own without looking at others. */
export class OpenChannels {
  /** By names of principals and by ids of tickets, in hexadecimal digits. */
  readonly #concerned = new Map<string, Set<RevocableChannel>>()
  #size = 0

  constructor(directory: Pick<Directory, 'onPrincipal'>, revocations: Pick<RevocationLog, 'onEntry'>) {
    directory.onPrincipal(name => this.#endRevoked(name))
    revocations.onEntry(entry => {
      if (entry.kind === 'ticket') this.#endRevoked(toHex(entry.by))
    })
  }

  /** How many are open. */
  get size(): number {
    return this.#size
  }

  /** @returns a function that takes the channel out, to be called once */
  add(channel: RevocableChannel): () => void {
    this.#size += 1
    const names = namesOf(channel)
    for (const name of names) {
      const others = this.#concerned.get(name) ?? new Set()
      this.#concerned.set(name, others.add(channel))
    }
    return () => {
      this.#size -= 1
      for (const name of names) {
        const others = this.#concerned.get(name)
        others?.delete(channel)
        if (others?.size === 0) this.#concerned.delete(name)
      }
    }
  }

  /** @param name without one, each of them may be revoked */
  #endRevoked(name: string | undefined): void {
    const concerned =
      name === undefined
        ? new Set([...this.#concerned.values()].flatMap(all => [...all]))
        : this.#concerned.get(name)
    for (const channel of [...(concerned ?? [])]) channel.endUnlessStanding()
  }
}

function namesOf({ service, tickets }: RevocableChannel): string[] {
  return [service, ...tickets.flatMap(({ client, ticketId }) => [client, toHex(ticketId)])]
}
