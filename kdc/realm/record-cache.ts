import { LRUCache } from 'lru-cache'
import type { MaybePromise } from './maybe-promise.js'

export interface RecordCacheOptions<T> {
  /** Reads past the cache. */
  readonly read: (name: string) => Promise<T | undefined>
  /** How many records are kept, and how many names that have none. */
  readonly present: number
  readonly absent: number
}

/**
 * Records by name, as the store has them: a look-up that begins after `forget` never sees what was there before it,
 * not even where a read was under way.
 */
export class RecordCache<T extends object> {
  readonly #read: (name: string) => Promise<T | undefined>
  readonly #present: LRUCache<string, T>
  readonly #absent: LRUCache<string, true>
  readonly #flights = new Map<string, Promise<T | undefined>>()

  constructor({ read, present, absent }: RecordCacheOptions<T>) {
    this.#read = read
    this.#present = new LRUCache({ max: present })
    this.#absent = new LRUCache({ max: absent })
  }

  get(name: string): MaybePromise<T | undefined> {
    const known = this.#present.get(name)
    if (known !== undefined || this.#absent.get(name)) return known
    return this.#flights.get(name) ?? this.#fly(name)
  }

  /** The record may have changed. A read under way still answers who waits for it, and nobody after. */
  forget(name: string): void {
    this.#present.delete(name)
    this.#absent.delete(name)
    this.#flights.delete(name)
  }

  /** As `forget`, for every name. */
  forgetAll(): void {
    this.#present.clear()
    this.#absent.clear()
    this.#flights.clear()
  }

  #fly(name: string): Promise<T | undefined> {
    const flight: Promise<T | undefined> = this.#read(name).then(
      record => {
        if (this.#land(name, flight)) this.#keep(name, record)
        return record
      },
      fault => {
        this.#land(name, flight)
        throw fault
      },
    )
    this.#flights.set(name, flight)
    return flight
  }

  /** Whether what this flight read is still what the store has. */
  #land(name: string, flight: Promise<T | undefined>): boolean {
    return this.#flights.get(name) === flight && this.#flights.delete(name)
  }

  #keep(name: string, record: T | undefined): void {
    if (record === undefined) this.#absent.set(name, true)
    else this.#present.set(name, record)
  }
}
