import { RecentlyUsed } from '../../shared/recently-used.js'
import type { MaybePromise } from './maybe-promise.js'

/** What became of the look-ups of a cache. */
export interface CacheUse {
  readonly hits: number
  readonly misses: number
  readonly entries: number
}

export interface RecordCacheOptions<T> {
  /** Reads a record from the store. */
  readonly read: (name: string) => Promise<T | undefined>
  /** How many records are kept, and how many names without a record. */
  readonly present: number
  readonly absent: number
}

/**
 * Caches records by name. A look-up that begins after `forget` never sees an older record, not even if a read was under
 * way.
 */
export class RecordCache<T extends object> {
  readonly #read: (name: string) => Promise<T | undefined>
  readonly #present: RecentlyUsed<string, T>
  readonly #absent: RecentlyUsed<string, true>
  readonly #pending = new Map<string, Promise<T | undefined>>()
  #hits = 0
  #misses = 0

  constructor({ read, present, absent }: RecordCacheOptions<T>) {
    this.#read = read
    this.#present = new RecentlyUsed(present)
    this.#absent = new RecentlyUsed(absent)
  }

  get(name: string): MaybePromise<T | undefined> {
    const known = this.#present.get(name)
    if (known !== undefined || this.#absent.get(name)) {
      this.#hits++
      return known
    }
    this.#misses++
    return this.#pending.get(name) ?? this.#startRead(name)
  }

  /** How many look-ups were answered from memory, how many were not, and how many names are kept. */
  get use(): CacheUse {
    return { hits: this.#hits, misses: this.#misses, entries: this.#present.size + this.#absent.size }
  }

  /** Whether a look-up that begins now would get this very record from memory. */
  holds(name: string, record: T | undefined): boolean {
    return record === undefined ? this.#absent.peek(name) === true : this.#present.peek(name) === record
  }

  /** To be called when the record may have changed. A read under way still answers the look-ups that wait for it. */
  forget(name: string): void {
    this.#present.delete(name)
    this.#absent.delete(name)
    this.#pending.delete(name)
  }

  /** As `forget`, for every name. */
  forgetAll(): void {
    this.#present.clear()
    this.#absent.clear()
    this.#pending.clear()
  }

  #startRead(name: string): Promise<T | undefined> {
    const reading: Promise<T | undefined> = this.#read(name).then(
      record => {
        if (this.#endRead(name, reading)) this.#keep(name, record)
        return record
      },
      fault => {
        this.#endRead(name, reading)
        throw fault
      },
    )
    this.#pending.set(name, reading)
    return reading
  }

  /** Removes the read from the pending ones. @returns false if the name was forgotten after the read began */
  #endRead(name: string, reading: Promise<T | undefined>): boolean {
    return this.#pending.get(name) === reading && this.#pending.delete(name)
  }

  #keep(name: string, record: T | undefined): void {
    if (record === undefined) this.#absent.set(name, true)
    else this.#present.set(name, record)
  }
}
