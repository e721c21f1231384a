/** Lets so many do something at once; the others wait, in the order in which they came. */
export class Turns {
  readonly #max: number
  #taken = 0
  readonly #waiting: (() => void)[] = []

  constructor(max: number) {
    this.#max = max
  }

  /** @param work is told whether it had to wait */
  async run<T>(work: (hasWaited: boolean) => Promise<T>): Promise<T> {
    const hasWaited = this.#taken >= this.#max
    if (hasWaited) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#taken += 1
    try {
      return await work(hasWaited)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken -= 1
      else next()
    }
  }
}
