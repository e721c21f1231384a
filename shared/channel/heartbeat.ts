import { WINDOW } from '../constants.js'
import { type Cancel, inBackground, runEvery, type Timers } from '../timers.js'

/** What the beats of one side of a channel need of it. */
export interface HeartbeatOptions {
  readonly timers: Timers
  /** Called at each beat, first. @returns whether the channel goes on */
  goesOn(): boolean
  /** Whether records are being read at this moment. */
  isReading(): boolean
  hasEnded(): boolean
  hasPeerEnded(): boolean
  /** Sends a record without a message. */
  sendNothing(): void
  /** What asks the other side's transport for a sign of life, if anything can. */
  ping(): (() => void) | undefined
  /** Nothing was heard for too long. */
  silent(): void
}

/** Shows the other side of a channel that this one is there, and finds out whether that one is (section 9, End). */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #stop: Cancel
  /** Whether something was heard, and something was sent, since the last beat. */
  #heard = true
  #sent = true
  #quietBeats = 0

  /** Begins at once, and does not keep the process alive. */
  constructor(options: HeartbeatOptions) {
    this.#options = options
    this.#stop = runEvery(inBackground(options.timers), WINDOW.CHANNEL_HEARTBEAT, () => this.#beat())
  }

  /** Any sign of life came, or the other side took what it was sent, slowly perhaps. */
  heard(): void {
    this.#heard = true
  }

  sent(): void {
    this.#sent = true
  }

  stop(): void {
    this.#stop()
  }

  #beat(): void {
    const { goesOn, isReading, hasEnded, hasPeerEnded, sendNothing, ping, silent } = this.#options
    if (!goesOn()) return
    this.#quietBeats = this.#heard || !isReading() ? 0 : this.#quietBeats + 1
    this.#heard = false
    // A side that has ended says nothing more, so only its transport can be asked.
    const ask = hasPeerEnded() ? ping() : undefined
    const mustBeHeard = !hasPeerEnded() || ask !== undefined
    if (mustBeHeard && this.#quietBeats * WINDOW.CHANNEL_HEARTBEAT >= WINDOW.CHANNEL_SILENCE) {
      silent()
      return
    }
    ask?.()
    if (!(hasEnded() || this.#sent)) sendNothing()
    this.#sent = false
  }
}
