import { TestClock as Clock } from '../support/clock.js'

export class TestClock extends Clock {
  get wall(): number {
    return this.now()
  }

  set wall(now: number) {
    this.set(now)
  }

  get waiting(): number {
    return this.timers.all
  }
}
