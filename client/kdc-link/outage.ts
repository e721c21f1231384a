import type { OrthrusError } from '../../shared/errors.js'
import { type Clock, MINUTE } from '../../shared/time.js'
import type { Sign } from './link.js'

/** Tuning: how long a KDC that is away is looked for after the last call, milliseconds. The next call looks again. */
const SEARCH_MAX = MINUTE

interface State {
  readonly failure: OrthrusError
  /** What ends it. A pong is not enough from a KDC that answered pings and nothing else. */
  readonly ends: Sign
  /** The latest message that was not answered. It is sent again to find out whether a KDC answers: this does no harm. */
  message: Uint8Array | undefined
  /** When the last call was made, on the monotonic clock. */
  calledAt: number
}

/** Whether no KDC shows a sign of life. Until one does, calls fail at once. */
export class Outage {
  readonly #clock: Clock
  #state: State | undefined

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  get isOn(): boolean {
    return this.#state !== undefined
  }

  /** Whether it is on, and calls were made of late that a KDC should be looked for. */
  get isOfInterest(): boolean {
    return this.#state !== undefined && !this.#isForgotten(this.#state)
  }

  /** A message that shows whether a KDC answers. */
  get message(): Uint8Array | undefined {
    return this.#state?.message
  }

  /** Whether nothing less than an answer ends it. */
  get needsAnswer(): boolean {
    return this.#state?.ends === 'answer'
  }

  /** Checks that a call may be made. @param message what it would send @throws OrthrusError */
  requireNone(message?: Uint8Array): void {
    const state = this.#state
    if (state === undefined) return
    if (this.#isForgotten(state)) {
      this.#state = undefined
      return
    }
    state.message = message ?? state.message
    state.calledAt = this.#clock.monotonic()
    throw state.failure
  }

  #isForgotten({ calledAt }: State): boolean {
    return this.#clock.monotonic() - calledAt >= SEARCH_MAX
  }

  /** Begins, or goes on for another reason. */
  begin(failure: OrthrusError, ends: Sign, message: Uint8Array | undefined): void {
    const before = this.#state
    this.#state = {
      failure,
      ends: before?.ends === 'answer' ? before.ends : ends,
      message: message ?? before?.message,
      calledAt: this.#clock.monotonic(),
    }
  }

  end(): void {
    this.#state = undefined
  }
}
