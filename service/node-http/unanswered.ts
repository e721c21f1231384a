import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * Connections on which an answer is still to be written. Requests may come behind each other before the first is answered: what
 * changes the protocol then would have the answers in its midst, or be answered by one of them.
 */
export class Unanswered {
  readonly #counts = new WeakMap<Duplex, number>()

  /** Takes note of a request, until its answer is written or given up. */
  readonly note = ({ socket }: IncomingMessage, res: ServerResponse): void => {
    this.#counts.set(socket, this.#count(socket) + 1)
    res.once('close', () => this.#counts.set(socket, this.#count(socket) - 1))
  }

  has(socket: Duplex): boolean {
    return this.#count(socket) > 0
  }

  #count(socket: Duplex): number {
    return this.#counts.get(socket) ?? 0
  }
}
