interface Kept<V> {
  readonly name: string
  readonly value: V
  readonly size: number
  older: Kept<V> | undefined
  newer: Kept<V> | undefined
}

/**
 * Values by name, of which those that were used least recently are forgotten for what is larger together than a bound. It
 * does less than the library that `recentlyUsed` takes, in half the time: a service keeps each new ticket here.
 */
export class RecentWithin<V> {
  readonly #most: number
  readonly #kept = new Map<string, Kept<V>>()
  #oldest: Kept<V> | undefined
  #newest: Kept<V> | undefined
  #held = 0

  /** @param most the sum of sizes that is held */
  constructor(most: number) {
    this.#most = most
  }

  get count(): number {
    return this.#kept.size
  }

  /** Counts as a use. */
  get(name: string): V | undefined {
    const kept = this.#kept.get(name)
    if (kept === undefined) return undefined
    if (kept !== this.#newest) {
      this.#unlink(kept)
      this.#link(kept)
    }
    return kept.value
  }

  /** Does not count as a use. */
  peek(name: string): V | undefined {
    return this.#kept.get(name)?.value
  }

  /** In place of what has the name. What is larger than the bound by itself is not kept. */
  set(name: string, value: V, size: number): void {
    this.delete(name)
    if (size > this.#most) return
    const kept: Kept<V> = { name, value, size, older: undefined, newer: undefined }
    this.#kept.set(name, kept)
    this.#held += size
    this.#link(kept)
    while (this.#held > this.#most && this.#oldest !== undefined) this.delete(this.#oldest.name)
  }

  delete(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    this.#kept.delete(name)
    this.#held -= kept.size
    this.#unlink(kept)
  }

  clear(): void {
    this.#kept.clear()
    this.#held = 0
    this.#oldest = undefined
    this.#newest = undefined
  }

  /** Forgets those of which this holds. */
  deleteWhere(isMeant: (value: V) => boolean): void {
    for (const { name, value } of this.#kept.values()) if (isMeant(value)) this.delete(name)
  }

  #link(kept: Kept<V>): void {
    kept.older = this.#newest
    kept.newer = undefined
    if (this.#newest === undefined) this.#oldest = kept
    else this.#newest.newer = kept
    this.#newest = kept
  }

  #unlink({ older, newer }: Kept<V>): void {
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }
}
