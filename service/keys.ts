import type { LongTermKey } from '../shared/crypto/keys.js'
import type { KeytabEntry } from '../shared/keytab/keytab.js'

/**
 * The keys of one service by kvno. They can change while the service runs, so a key is looked up for each request and
 * not kept for longer.
 */
export class ServiceKeys {
  readonly #keys = new Map<number, LongTermKey>()
  readonly #onDrop = new Set<(key: LongTermKey) => void>()

  constructor(entries: Iterable<Pick<KeytabEntry, 'kvno' | 'key'>> = []) {
    for (const { kvno, key } of entries) this.add(kvno, key)
  }

  /** The highest first. */
  get kvnos(): readonly number[] {
    return [...this.#keys.keys()].sort((a, b) => b - a)
  }

  get(kvno: number): LongTermKey | undefined {
    return this.#keys.get(kvno)
  }

  /** From now on tickets under it open. A key that has the kvno already is dropped. */
  add(kvno: number, key: LongTermKey): void {
    this.drop(kvno)
    this.#keys.set(kvno, key)
  }

  /** From now on no ticket under it opens, and those that were opened before are forgotten. */
  drop(kvno: number): void {
    const key = this.#keys.get(kvno)
    if (key === undefined) return
    this.#keys.delete(kvno)
    for (const listener of this.#onDrop) listener(key)
  }

  /** @param listener is told of each key that is dropped. */
  onDrop(listener: (key: LongTermKey) => void): void {
    this.#onDrop.add(listener)
  }
}
