import { createTestClock, type TestClock } from '../../testing/index.js'

/** The clocks of all parties, and the right time. */
export class Clocks {
  readonly #clocks = new Map<string, TestClock>()
  /** The highest that a service's clock stood since it started. */
  readonly #highest = new Map<string, number>()
  /** The right time. */
  #time: number

  constructor(kdc: TestClock) {
    this.#clocks.set('kdc', kdc)
    this.#time = kdc.now()
  }

  /** A party's clock; one that does not exist yet starts right. */
  of(name: string): TestClock {
    const clock = this.#clocks.get(name) ?? createTestClock(this.#time)
    this.#clocks.set(name, clock)
    return clock
  }

  /** A service begins to accept. */
  started(service: string): void {
    this.#highest.set(service, this.of(service).now())
  }

  /** How far a service's clock is below its highest reading since its start. */
  wentBack(service: string): number {
    return (this.#highest.get(service) ?? 0) - this.of(service).now()
  }

  /** @param offset from the right time, milliseconds */
  set(name: string, offset: number): void {
    this.of(name).set(this.#time + offset)
    this.#noteHighest()
  }

  /** Time passes for everybody. */
  pass(milliseconds: number): void {
    this.#time += milliseconds
    for (const clock of this.#clocks.values()) clock.advance(milliseconds)
    this.#noteHighest()
  }

  #noteHighest(): void {
    for (const [name, highest] of this.#highest) {
      this.#highest.set(name, Math.max(highest, this.of(name).now()))
    }
  }
}
