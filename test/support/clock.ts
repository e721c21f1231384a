import { ManualClock } from '../../testing/clock.js'
import { turns } from './turns.js'

/** Where the clocks of tests start, milliseconds since the epoch. */
export const START = 1_800_000_000_000

/** The clock of this project's tests, with timers that follow it. Nothing moves unless a test moves it. */
export class TestClock extends ManualClock {
  constructor(wall = START, monotonic = 5_000) {
    super(wall, monotonic)
  }

  /** Waiting timers, and those of them that keep a process alive. */
  get timers(): { readonly all: number; readonly held: number } {
    const { waits } = this
    return { all: waits.length, held: waits.filter(({ isHeld }) => isHeld).length }
  }

  /** The wall clock is moved, and no time passes. */
  step(milliseconds: number): void {
    this.set(this.now() + milliseconds)
  }

  /** Time passes, but nothing runs, as while an answer is on its way or a machine sleeps. */
  pass(milliseconds: number): void {
    this.moveTo(this.monotonic() + Math.round(milliseconds))
  }

  /** As `advance`, but what a timer starts gets its turn before the next timer runs. */
  async elapse(milliseconds: number): Promise<void> {
    const until = this.monotonic() + Math.round(milliseconds)
    await turns()
    while (this.runNext(until)) await turns()
    this.moveTo(until)
    await turns()
  }
}
