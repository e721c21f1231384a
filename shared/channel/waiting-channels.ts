import type { Admission, AdmissionRefusal, AdmissionRequest, ReplayCache } from '../accept/replay.js'
import { toHex } from '../bytes.js'
import { CHANNELS_WAITING, WINDOW } from '../constants.js'

/**
 * Step 4 for an AP-OPEN (docs/protocol.md section 9): the floor is now - 60 s - 1 ms, and nothing is recorded. A copy
 * of an AP-OPEN that still waits for its client's first record is a `replay`. A later copy gets another nonce, so its
 * sender cannot make records for it. Each service has one of these.
 */
export class WaitingChannels {
  readonly #now: () => number
  /** The ids of AP-OPENs between their admission and their first record. */
  readonly #waiting = new Set<string>()
  /** How many channels are waiting, by what they are counted against. */
  readonly #counted = new Map<string, number>()

  /** @param now the service's clock, milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** For one AP-OPEN. */
  begin(): WaitingChannel {
    return new WaitingChannel(this.#now, this.#waiting, this.#counted)
  }

  get size(): number {
    return this.#waiting.size
  }
}

/** One AP-OPEN on its way to a channel. To `acceptRequest` it acts as the replay cache. */
export class WaitingChannel implements ReplayCache {
  readonly #now: () => number
  readonly #waiting: Set<string>
  readonly #counted: Map<string, number>
  #id: string | undefined
  #countedTo: string | undefined

  constructor(now: () => number, waiting: Set<string>, counted: Map<string, number>) {
    this.#now = now
    this.#waiting = waiting
    this.#counted = counted
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

  /**
   * Takes one of the 16 places that a ticket has for channels without a first record.
   * @param countedTo the ticket, or whatever else such channels are counted against
   * @returns whether a place was left
   */
  takePlace(countedTo: string): boolean {
    const others = this.#counted.get(countedTo) ?? 0
    if (others >= CHANNELS_WAITING) return false
    this.#counted.set(countedTo, others + 1)
    this.#countedTo = countedTo
    return true
  }

  /** Ends the wait: the channel was refused or closed, or its first record arrived. Calling it again does nothing. */
  release(): void {
    if (this.#id !== undefined) this.#waiting.delete(this.#id)
    if (this.#countedTo !== undefined) {
      const others = (this.#counted.get(this.#countedTo) ?? 1) - 1
      if (others > 0) this.#counted.set(this.#countedTo, others)
      else this.#counted.delete(this.#countedTo)
    }
    this.#id = undefined
    this.#countedTo = undefined
  }
}
