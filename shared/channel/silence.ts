import type { Clock } from '../time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../timers.js'

export interface SilenceOptions {
  readonly clock: Clock
  readonly timers: Timers
  /** How long the peer may be silent, milliseconds. */
  readonly most: number
  /** Called once, unless the watch was stopped. */
  onSilence(): void
}

/** Watches that a peer says something often enough, for as long as this side listens (section 8, Sealed bodies). */
export class SilenceWatch {
  readonly #options: SilenceOptions
  /** By the monotonic clock, milliseconds. */
  #since: number
  #isPaused = false
  #cancel: Cancel = () => {}

  /** Starts to watch. */
  constructor(options: SilenceOptions) {
    this.#options = options
    this.#since = options.clock.monotonic()
    this.#wait(options.most)
  }

  /** The peer said something. This is called for each record, so the timer is left as it is. */
  heard(): void {
    this.#since = this.#options.clock.monotonic()
  }

  /** This side does not listen: its own slowness is not the peer's silence. */
  pause(): void {
    this.#isPaused = true
    this.#cancel()
  }

  /** This side listens again. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.heard()
    this.#wait(this.#options.most)
  }

  stop(): void {
    this.#cancel()
  }

  #wait(milliseconds: number): void {
    this.#cancel = runAfter(inBackground(this.#options.timers), milliseconds, () => this.#look())
  }

  #look(): void {
    const { clock, most, onSilence } = this.#options
    const left = this.#since + most - clock.monotonic()
    if (left > 0) this.#wait(left)
    else onSilence()
  }
}
