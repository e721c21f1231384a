import { TestClock } from '../support/clock.js'

export { turns as settle } from '../support/turns.js'

/** A clock whose timers and what they set off run in turn. */
export class FakeTime extends TestClock {
  override advance(milliseconds: number): Promise<void> {
    return this.elapse(milliseconds)
  }
}
