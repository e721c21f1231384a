/**
 * Makes work wait that others should not have to wait for. One piece of it runs in each turn of the event loop, so
 * whatever else the process has to do comes in between; if there is nothing else, nothing is delayed for long. The
 * sources take turns, so one that sends much delays only itself.
 */
export class Turns {
  /** Sources in the order of their turns, each with its waiting work. */
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

  /** How many pieces of work are in memory: those that wait, and some that are finished. */
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
  /** The index of the next piece in `work`. Removing the first one from a long list would copy the list each time. */
  next: number
}

/**
 * Without this, a source that always has more work would keep everything it ever did. Half of a list is copied at a
 * time.
 */
function forgetDone(source: Source): Source {
  if (source.next * 2 < source.work.length) return source
  return { work: source.work.slice(source.next), next: 0 }
}
