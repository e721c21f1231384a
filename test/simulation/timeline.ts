import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

/** The true time of a run, milliseconds, and what happens in it, one thing after the other. */

const START = 1_800_000_000_000

interface Happening {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

export class Timeline {
  #now = 0
  #order = 0
  /** A heap: the earliest first; of two at the same time, the one that was planned first. */
  readonly #heap: Happening[] = []

  /** Since the run began. */
  get now(): number {
    return this.#now
  }

  /** How much is still to happen. */
  get length(): number {
    return this.#heap.length
  }

  /** @returns a function that cancels it */
  in(milliseconds: number, run: () => void): () => void {
    const at = this.#now + Math.max(0, Math.ceil(milliseconds))
    const happening: Happening = { at, order: this.#order++, run, cancelled: false }
    this.#heap.push(happening)
    this.#rise(this.#heap.length - 1)
    return () => {
      happening.cancelled = true
    }
  }

  /**
   * Lets things happen until `done`, or until nothing is left.
   * @returns whether it is done
   */
  async until(done: () => boolean): Promise<boolean> {
    await settle()
    while (!done()) {
      const next = this.#takeFirst()
      if (next === undefined) return done()
      if (next.cancelled) continue
      this.#now = next.at
      next.run()
      await settle()
    }
    return true
  }

  /** Lets this much time pass. */
  async pass(milliseconds: number): Promise<void> {
    let over = false
    this.in(milliseconds, () => {
      over = true
    })
    await this.until(() => over)
  }

  #takeFirst(): Happening | undefined {
    const [first] = this.#heap
    const last = this.#heap.pop()
    if (last !== undefined && last !== first) {
      this.#heap[0] = last
      this.#sink()
    }
    return first
  }

  #rise(index: number): void {
    for (let at = index; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!this.#isBefore(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #sink(): void {
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      if (left >= this.#heap.length) return
      const child = left + 1 < this.#heap.length && this.#isBefore(left + 1, left) ? left + 1 : left
      if (!this.#isBefore(child, at)) return
      this.#swap(at, child)
      at = child
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a] as Happening, this.#heap[b] as Happening]
    return one.at === other.at ? one.order < other.order : one.at < other.at
  }

  #swap(a: number, b: number): void {
    const one = this.#heap[a] as Happening
    this.#heap[a] = this.#heap[b] as Happening
    this.#heap[b] = one
  }
}

/** The clocks of one machine, and its timers. */
export class MachineClock implements Clock, Timers {
  readonly #timeline: Timeline
  readonly #booted: number
  readonly #running = new Set<object>()
  #error = 0
  #asleepUntil = 0

  /** @param booted how long the machine has been up, milliseconds: two machines have different monotonic clocks */
  constructor(timeline: Timeline, booted: number) {
    this.#timeline = timeline
    this.#booted = booted
  }

  /** How far the wall clock is ahead of the true time, milliseconds. */
  get error(): number {
    return this.#error
  }

  set(error: number): void {
    this.#error = error
  }

  now(): number {
    return START + this.#timeline.now + this.#error
  }

  monotonic(): number {
    return this.#booted + this.#timeline.now
  }

  /** Timers that have not run. */
  get timers(): number {
    return this.#running.size
  }

  /** The machine sleeps for this many milliseconds: its clocks go on, and its timers wait until it wakes. */
  sleep(milliseconds: number): void {
    this.#asleepUntil = this.#timeline.now + milliseconds
  }

  setTimeout(run: () => void, milliseconds: number): unknown {
    const timer = { cancel: (): void => {} }
    const ring = (): void => {
      const asleep = this.#asleepUntil - this.#timeline.now
      if (asleep > 0) {
        timer.cancel = this.#timeline.in(asleep, ring)
        return
      }
      this.#running.delete(timer)
      run()
    }
    timer.cancel = this.#timeline.in(milliseconds, ring)
    this.#running.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    if (!this.#running.delete(timer as object)) return
    ;(timer as { cancel(): void }).cancel()
  }
}

/** Runs everything that waits only for its turn of the event loop. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
}
