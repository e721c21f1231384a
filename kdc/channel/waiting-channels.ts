import type {
  Admission,
  AdmissionRefusal,
  AdmissionRequest,
  ReplayCache,
} from '../../shared/accept/replay.js'
import { toHex } from '../../shared/bytes.js'
import { CHANNELS_WAITING, WINDOW } from '../../shared/constants.js'

/**
 * Step 4 for an AP-OPEN (docs/protocol.md section 9): a floor that is now - 60 s - 1 ms, and no cache. A copy of an
 * AP-OPEN that still waits for its client's first record is a `replay`; a later one meets a new nonce and cannot speak.
 */
export class WaitingChannels {
  readonly #now: () => number
  /** The ids of AP-OPENs between their admission and their first record. */
  readonly #waiting = new Set<string>()
  readonly #ofTicket = new Map<string, number>()

  /** @param now the service's clock, milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** For one AP-OPEN. */
  begin(): Opening {
    return new Opening(this.#now, this.#waiting, this.#ofTicket)
  }

  get size(): number {
    return this.#waiting.size
  }
}

/** One AP-OPEN on its way to a channel, as the replay cache that `acceptRequest` asks. */
export class Opening implements ReplayCache {
  readonly #now: () => number
  readonly #waiting: Set<string>
  readonly #ofTicket: Map<string, number>
  #id: string | undefined
  #ticket: string | undefined

  constructor(now: () => number, waiting: Set<string>, ofTicket: Map<string, number>) {
    this.#now = now
    this.#waiting = waiting
    this.#ofTicket = ofTicket
  }

  admit(request: AdmissionRequest): Admission {
    const now = this.#now()
    const floor = now - WINDOW.SERVICE_PAST - 1
    const id = toHex(request.id)
    const refusal = this.#refusalOf(request, now, floor, id)
    if (refusal !== undefined) return { now, floor, refusal }
    this.#waiting.add(id)
    this.#id = id
    return { now, floor }
  }

  #refusalOf(
    { time, endTime }: AdmissionRequest,
    now: number,
    floor: number,
    id: string,
  ): AdmissionRefusal | undefined {
    if (now >= endTime + WINDOW.EXPIRED_UNRECORDED) return 'ticket_expired'
    if (time <= floor || time > now + WINDOW.SERVICE_FUTURE) return 'clock_skew'
    return this.#waiting.has(id) ? 'replay' : undefined
  }

  /** Whether there is room for one more of this ticket, which then is taken. */
  takeRoom(ticketId: Uint8Array): boolean {
    const ticket = toHex(ticketId)
    const others = this.#ofTicket.get(ticket) ?? 0
    if (others >= CHANNELS_WAITING) return false
    this.#ofTicket.set(ticket, others + 1)
    this.#ticket = ticket
    return true
  }

  /** It waits no longer: refused, closed, or its client has spoken. More than once does nothing. */
  release(): void {
    if (this.#id !== undefined) this.#waiting.delete(this.#id)
    if (this.#ticket !== undefined) {
      const others = (this.#ofTicket.get(this.#ticket) ?? 1) - 1
      if (others > 0) this.#ofTicket.set(this.#ticket, others)
      else this.#ofTicket.delete(this.#ticket)
    }
    this.#id = undefined
    this.#ticket = undefined
  }
}
