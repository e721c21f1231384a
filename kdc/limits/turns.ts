/**
 * Lets work wait that others should not have to wait for: one piece of it runs in a turn of the event loop, so whatever
 * else the process has to do comes in between, and where it has nothing else to do, nothing is held up for long. The
 * sources take turns: one of them that sends much waits for itself.
 */
export class Turns {
  /** Sources in the order of their turns, each with the work that waits. */
  readonly #sources = new Map<string, Source>()
  #scheduled = false

  /** Resolves when it is the turn of this piece of work. */
  wait(source: string): Promise<void> {
    return new Promise(run => {
      const waiting = this.#sources.get(source)
      if (waiting === undefined) this.#sources.set(source, { work: [run], next: 0 })
      else waiting.work.push(run)
      this.#schedule()
    })
  }

  get sources(): number {
    return this.#sources.size
  }

  /** How many pieces of work are in memory: those that wait, and some that are done. */
  get kept(): number {
    let kept = 0
    for (const { work } of this.#sources.values()) kept += work.length
    return kept
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#runOne()
      if (this.#sources.size > 0) this.#schedule()
    })
  }

  #runOne(): void {
    for (const [name, source] of this.#sources) {
      this.#sources.delete(name)
      source.work[source.next++]?.()
      if (source.next < source.work.length) this.#sources.set(name, forgetDone(source))
      return
    }
  }
}

interface Source {
  readonly work: (() => void)[]
  /** Which of `work` is the next: taking the first away from a long list each time would copy it each time. */
  next: number
}

/** A source that always has more work would otherwise keep all that was ever done. Half of a list is copied at a time. */
function forgetDone(source: Source): Source {
  if (source.next * 2 < source.work.length) return source
  return { work: source.work.slice(source.next), next: 0 }
}
