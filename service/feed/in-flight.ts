import type { OrthrusError } from '../../shared/errors.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import { SECOND } from '../../shared/time.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import type { Watched } from '../request/revocation.js'

/** The longest wait before clocks are read again, milliseconds: a timer stands still while a machine sleeps. */
const LOOK_EVERY = SECOND

export interface InFlightOptions {
  /** Why a ticket is not accepted any more, or undefined if it is. */
  readonly faultOf: (ticket: OpenedTicket) => OrthrusError | undefined
  /** Milliseconds until no ticket is accepted any more, unless something happens; negative if none is. */
  readonly left: () => number
  readonly timers: Timers
}

/** What is going on under tickets, and ends when one of them would not be accepted any more. */
export class InFlight {
  readonly #watched = new Set<Watched>()
  readonly #options: InFlightOptions
  #isDue = false
  #isTimed = false

  constructor(options: InFlightOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#watched.size
  }

  watch(watched: Watched): void {
    this.#watched.add(watched)
    this.#time()
  }

  forget(watched: Watched): void {
    this.#watched.delete(watched)
  }

  /** Something was revoked. All that comes in one turn is looked at together, since thousands of entries may come. */
  look(): void {
    if (this.#isDue || this.#watched.size === 0) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      this.#endRefused()
    })
  }

  /** One timer for all. It is left to run out when nothing goes on, since a request would have to set and clear it. */
  #time(): void {
    if (this.#isTimed) return
    this.#isTimed = true
    const { timers, left } = this.#options
    runAfter(timers, Math.min(LOOK_EVERY, Math.max(0, left()) + 1), () => {
      this.#isTimed = false
      this.#forgetGone()
      if (left() < 0) this.#endRefused()
      if (this.#watched.size > 0) this.#time()
    })
  }

  #forgetGone(): void {
    for (const watched of this.#watched) if (watched.isGone) this.#watched.delete(watched)
  }

  #endRefused(): void {
    this.#forgetGone()
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
      const cause = this.#options.faultOf(ticket)
      if (cause !== undefined) return cause
    }
    return undefined
  }
}
