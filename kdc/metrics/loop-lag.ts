import { type Cancel, inBackground, runEvery, type Timers } from '../../shared/timers.js'
import { type Distribution, DistributionCounter } from './distribution.js'

/** How often the event loop is looked at, milliseconds. */
const INTERVAL = 100

/** How late the event loop calls what is due: what a request waits before anything is done about it. */
export class LoopLag {
  readonly #lag = new DistributionCounter()
  readonly #stop: Cancel

  /** @param monotonic milliseconds */
  constructor(timers: Timers, monotonic: () => number) {
    let before = monotonic()
    this.#stop = runEvery(inBackground(timers), INTERVAL, () => {
      const now = monotonic()
      this.#lag.add(now - before - INTERVAL)
      before = now
    })
  }

  read(): Distribution {
    return this.#lag.read()
  }

  stop(): void {
    this.#stop()
  }
}
