interface Kept<K, V> {
  readonly key: K
  readonly value: V
  readonly size: number
  older: Kept<K, V> | undefined
  newer: Kept<K, V> | undefined
}

/**
 * Values by key, of which those that were used least recently are forgotten for what is larger together than a bound. It
 * takes room as it fills. Requests, tickets and records are looked up here, so a use is one look at a map and a few links.
 */
export class RecentlyUsed<K, V> {
  readonly #most: number
  readonly #kept = new Map<K, Kept<K, V>>()
  #oldest: Kept<K, V> | undefined
  #newest: Kept<K, V> | undefined
  #held = 0

  /** @param most the sum of sizes that is held, a whole number from 1. @throws TypeError for another number */
  constructor(most: number) {
    if (!Number.isSafeInteger(most) || most < 1)
      throw new TypeError(`a bound is a whole number from 1, not ${most}`)
    this.#most = most
  }

  /** How many values are held. */
  get size(): number {
    return this.#kept.size
  }

  /** Counts as a use. */
  get(key: K): V | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    if (kept !== this.#newest) {
      this.#unlink(kept)
      this.#link(kept)
    }
    return kept.value
  }

  /** Does not count as a use. */
  peek(key: K): V | undefined {
    return this.#kept.get(key)?.value
  }

  /** In place of what has the key. What is larger than the bound by itself is not kept. */
  set(key: K, value: V, size = 1): void {
    this.delete(key)
    if (size > this.#most) return
    const kept: Kept<K, V> = { key, value, size, older: undefined, newer: undefined }
    this.#kept.set(key, kept)
    this.#held += size
    this.#link(kept)
    while (this.#held > this.#most && this.#oldest !== undefined) this.delete(this.#oldest.key)
  }

  delete(key: K): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#kept.delete(key)
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
    for (const { key, value } of this.#kept.values()) if (isMeant(value)) this.delete(key)
  }

  /** What is held now, what was used last first. None of it counts as used. */
  entries(): (readonly [K, V])[] {
    const all: (readonly [K, V])[] = []
    for (let kept = this.#newest; kept !== undefined; kept = kept.older) all.push([kept.key, kept.value])
    return all
  }

  #link(kept: Kept<K, V>): void {
    kept.older = this.#newest
    kept.newer = undefined
    if (this.#newest === undefined) this.#oldest = kept
    else this.#newest.newer = kept
    this.#newest = kept
  }

  #unlink({ older, newer }: Kept<K, V>): void {
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }
}
