/** How long something took, counted by upper bounds. All times in milliseconds. */
export interface Distribution {
  readonly count: number
  readonly sum: number
  /** In ascending order; each counts what took at most that long, and so includes those before it. */
  readonly buckets: readonly { readonly atMost: number; readonly count: number }[]
}

/** From a tenth of a millisecond, which a ticket takes, to more than any client waits. */
const BOUNDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const

/** Counts times by their upper bounds, without an allocation. */
export class DistributionCounter {
  readonly #counts = new Float64Array(BOUNDS.length)
  #count = 0
  #sum = 0

  /** @param milliseconds a negative number, of a clock that went back, counts as 0 */
  add(milliseconds: number): void {
    const time = Math.max(0, milliseconds)
    this.#count += 1
    this.#sum += time
    for (let i = 0; i < BOUNDS.length; i++) {
      if (time > (BOUNDS[i] as number)) continue
      this.#counts[i] = (this.#counts[i] as number) + 1
      return
    }
  }

  read(): Distribution {
    let count = 0
    const buckets = BOUNDS.map((atMost, i) => {
      count += this.#counts[i] as number
      return { atMost, count }
    })
    return { count: this.#count, sum: this.#sum, buckets }
  }
}
