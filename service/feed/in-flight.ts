import type { OrthrusError } from '../../shared/errors.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'

interface Watched {
  readonly tickets: readonly OpenedTicket[]
  readonly end: (cause: OrthrusError) => void
}

/** What is going on under tickets, and ends when one of them is revoked. */
export class InFlight {
  readonly #watched = new Set<Watched>()
  readonly #faultOf: (ticket: OpenedTicket) => OrthrusError | undefined
  #isDue = false

  /** @param faultOf why a ticket is revoked, or undefined if it is not */
  constructor(faultOf: (ticket: OpenedTicket) => OrthrusError | undefined) {
    this.#faultOf = faultOf
  }

  get size(): number {
    return this.#watched.size
  }

  /** Calls `end` once, when a ticket is revoked. @returns a function that cancels this */
  watch(tickets: readonly OpenedTicket[], end: (cause: OrthrusError) => void): () => void {
    const watched = { tickets, end }
    this.#watched.add(watched)
    return () => void this.#watched.delete(watched)
  }

  /** Something was revoked. All that comes in one turn is looked at together, since thousands of entries may come. */
  look(): void {
    if (this.#isDue || this.#watched.size === 0) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      this.#endRevoked()
    })
  }

  #endRevoked(): void {
    for (const watched of [...this.#watched]) {
      const cause = this.#causeOf(watched)
      if (cause === undefined || !this.#watched.delete(watched)) continue
      try {
        watched.end(cause)
      } catch {
        // One that cannot be ended must not keep the others open. It has no answer, so its client takes it as none.
      }
    }
  }

  #causeOf({ tickets }: Watched): OrthrusError | undefined {
    for (const ticket of tickets) {
      const cause = this.#faultOf(ticket)
      if (cause !== undefined) return cause
    }
    return undefined
  }
}
