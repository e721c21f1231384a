import type { Clock, Reading } from '../../../shared/time.js'
import { REPLICA } from './replica-defaults.js'

/** A confirmation that came back, whose changes are not yet all applied. */
interface Awaiting {
  readonly sent: Reading
  /** The revision of the last change when the store was asked. */
  readonly last: number
}

/**
 * When a KDC has last been known to have applied all changes that there were. A confirmation asks the store for the
 * revision of the last change; once that is applied, everything before the **sending** of the question is.
 */
export class Currency {
  readonly #clock: Clock
  #awaiting: Awaiting[] = []
  #wall = 0
  #monotonic = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The later of the two clocks says how long ago that was: a machine that slept has one that stood still. */
  isCurrent(): boolean {
    const since = this.#clock.monotonic() - this.#monotonic
    return since < REPLICA.CURRENT_FOR && this.#clock.now() - this.#wall < REPLICA.CURRENT_FOR
  }

  /** The store has answered. @param applied the revision up to which all changes are applied */
  answered(sent: Reading, last: number, applied: number): void {
    if (last <= applied) this.#confirm(sent)
    else this.#awaiting.push({ sent, last })
  }

  /** All changes up to this revision are applied. */
  applied(revision: number): void {
    if (this.#awaiting.length === 0) return
    for (const { sent, last } of this.#awaiting) if (last <= revision) this.#confirm(sent)
    this.#awaiting = this.#awaiting.filter(({ last }) => last > revision)
  }

  /** Whether changes that the store told of a while ago have still not been applied. */
  get isBehind(): boolean {
    const now = this.#clock.monotonic()
    return this.#awaiting.some(({ sent }) => now - sent.monotonic >= REPLICA.CURRENT_FOR)
  }

  /** What was asked is for another watch. */
  startOver(): void {
    this.#awaiting = []
  }

  /** Nothing that is in memory is good any more. */
  end(): void {
    this.#awaiting = []
    this.#monotonic = Number.NEGATIVE_INFINITY
  }

  /** Answers can overtake each other. */
  #confirm({ wall, monotonic }: Reading): void {
    if (monotonic <= this.#monotonic) return
    this.#wall = wall
    this.#monotonic = monotonic
  }
}
