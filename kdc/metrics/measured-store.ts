import type {
  Change,
  Listed,
  Page,
  RecordKind,
  Replica,
  Store,
  Stored,
  StoreSnapshot,
  WatchListener,
} from '../store/store.js'
import { StoreConflict } from '../store/store.js'
import { type Distribution, DistributionCounter } from './distribution.js'

/** What is done with a store. */
export type StoreOperation = 'get' | 'list' | 'commit'

/** How long one kind of operation took, and how many of them failed. A commit that came second has not failed. */
export interface OperationUse {
  readonly latency: Distribution
  readonly failures: number
}

interface Counter {
  readonly latency: DistributionCounter
  failures: number
}

/** A store whose operations are timed. It does what the other one does. */
export class MeasuredStore implements Store {
  readonly #store: Store
  readonly #monotonic: () => number
  readonly #counters: Readonly<Record<StoreOperation, Counter>> = {
    get: counter(),
    list: counter(),
    commit: counter(),
  }

  /** @param monotonic milliseconds */
  constructor(store: Store, monotonic: () => number) {
    this.#store = store
    this.#monotonic = monotonic
  }

  get(kind: RecordKind, name: string): Promise<Stored | undefined> {
    return this.#time('get', () => this.#store.get(kind, name))
  }

  list(kind: RecordKind, page: Page): Promise<Listed[]> {
    return this.#time('list', () => this.#store.list(kind, page))
  }

  commit(changes: readonly Change[]): Promise<void> {
    return this.#time('commit', () => this.#store.commit(changes))
  }

  snapshot(): Promise<StoreSnapshot> {
    return this.#store.snapshot()
  }

  compact(): Promise<void> {
    return this.#store.compact()
  }

  watch(listener: WatchListener): () => void {
    return this.#store.watch(listener)
  }

  async requireWritable(): Promise<void> {
    await this.#store.requireWritable?.()
  }

  get replica(): Replica | undefined {
    return this.#store.replica
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  get use(): Readonly<Record<StoreOperation, OperationUse>> {
    const { get, list, commit } = this.#counters
    return { get: useOf(get), list: useOf(list), commit: useOf(commit) }
  }

  async #time<T>(operation: StoreOperation, run: () => Promise<T>): Promise<T> {
    const counter = this.#counters[operation]
    const since = this.#monotonic()
    try {
      return await run()
    } catch (cause) {
      if (!(cause instanceof StoreConflict)) counter.failures += 1
      throw cause
    } finally {
      counter.latency.add(this.#monotonic() - since)
    }
  }
}

function counter(): Counter {
  return { latency: new DistributionCounter(), failures: 0 }
}

function useOf({ latency, failures }: Counter): OperationUse {
  return { latency: latency.read(), failures }
}
