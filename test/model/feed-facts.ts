import { type Issued, type LogPlace, require } from './reference.js'

/** What a service knows of revocations, seen from outside: what the KDC told it, and when it had asked. */

/** Both clocks of a service at one moment, milliseconds. */
export interface Reading {
  readonly wall: number
  readonly monotonic: number
}

export class FeedFacts {
  readonly #service: string
  readonly #maxStaleness: number
  /** The highest entry that it has taken, by the ids of the logs. */
  readonly #known = new Map<string, number>()
  /** The log that it follows. */
  #log = ''
  /** When the last question was sent that was answered; nothing before the first. */
  #sent: { readonly wall: number; readonly monotonic: number | undefined } | undefined

  /** @param maxStaleness milliseconds */
  constructor(service: string, maxStaleness: number) {
    this.#service = service
    this.#maxStaleness = maxStaleness
  }

  /**
   * Another process begins. One whose clock went back since the last question cannot tell how long ago that was.
   * @param saved whether it has what the one before saved when it ended
   * @param wall its clock, milliseconds
   */
  started(saved: boolean, wall: number): void {
    if (!saved) this.#known.clear()
    const asked = saved ? this.#sent?.wall : undefined
    this.#sent = asked === undefined || asked > wall ? undefined : { wall: asked, monotonic: undefined }
  }

  /** The KDC answers that this is its log. */
  follows(log: string): void {
    this.#log = log
  }

  /** It took an entry of the log. */
  applied(seq: number): void {
    this.#known.set(this.#log, Math.max(this.known, seq))
  }

  /** It took the KDC's word that it has every entry up to this one. @param sent when it had asked */
  confirmed(sent: Reading, newest: number): void {
    this.applied(newest)
    this.#sent = sent
  }

  /** How long ago it asked what was answered, by the clock that says more. */
  age({ wall, monotonic }: Reading): number {
    if (this.#sent === undefined) return Number.POSITIVE_INFINITY
    const before = this.#sent.monotonic ?? Number.POSITIVE_INFINITY
    return Math.max(wall - this.#sent.wall, monotonic - before)
  }

  isFresh(now: Reading, within = this.#maxStaleness): boolean {
    return this.age(now) <= within
  }

  /** The highest entry that it has taken of the log that it follows. */
  get known(): number {
    return this.#known.get(this.#log) ?? 0
  }

  /** What it was told under another id is not forgotten. */
  knows(place: LogPlace | undefined): boolean {
    return place !== undefined && place.seq <= (this.#known.get(place.log) ?? 0)
  }

  get maxStaleness(): number {
    return this.#maxStaleness
  }

  /** It let a request through that bears these tickets. */
  accepted(tickets: readonly Issued[], now: Reading): void {
    const age = this.age(now)
    const { client } = tickets[0] ?? {}
    require(age <= this.#maxStaleness, `${this.#service} accepted ${client}, and asked the KDC ${age} ms ago`)
    for (const { deadBy, client: dead } of tickets) {
      require(!this.knows(
        deadBy,
      ), `${this.#service} accepted a ticket of ${dead} that entry ${deadBy?.seq} revokes`)
    }
  }
}
