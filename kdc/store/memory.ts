import {
  bytesOf,
  requireChanges,
  requireName,
  requirePage,
  requireVersion,
  snapshotClosed,
  storeClosed,
  Watchers,
} from './changes.js'
import type {
  Change,
  Listed,
  Page,
  RecordKind,
  Store,
  Stored,
  StoreSnapshot,
  WatchListener,
} from './store.js'

/** A store that ends with the process, for tests and `orthrus/testing`. */
export function createMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #kinds = new Map<RecordKind, Records>()
  readonly #watchers = new Watchers()
  readonly #snapshots = new Set<MemorySnapshot>()
  #closed = false

  async get(kind: RecordKind, name: string): Promise<Stored | undefined> {
    requireName(kind, name)
    this.#requireOpen()
    const stored = this.#records(kind).get(name)
    return stored && copy(stored)
  }

  /** Atomic, because it never waits. */
  async commit(changes: readonly Change[]): Promise<void> {
    requireChanges(changes)
    this.#requireOpen()
    for (const change of changes) {
      requireVersion(change, this.#records(change.kind).get(change.name)?.version ?? 0)
    }
    for (const { kind, name, expected, value } of changes) {
      const version = expected + 1
      const bytes = bytesOf(value, version)
      this.#records(kind).put(name, bytes && copy({ version, value: bytes }))
    }
    this.#watchers.notify(changes)
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    this.#requireOpen()
    return this.#records(kind).list(page)
  }

  async snapshot(): Promise<StoreSnapshot> {
    this.#requireOpen()
    const kinds = new Map([...this.#kinds].map(([kind, records]) => [kind, records.copy()]))
    const snapshot = new MemorySnapshot(kinds, closed => this.#snapshots.delete(closed))
    this.#snapshots.add(snapshot)
    return snapshot
  }

  async compact(): Promise<void> {
    this.#requireOpen()
    await this.#closeSnapshots()
  }

  async requireWritable(): Promise<void> {
    this.#requireOpen()
  }

  watch(listener: WatchListener): () => void {
    return this.#watchers.add(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watchers.clear()
    await this.#closeSnapshots()
  }

  async #closeSnapshots(): Promise<void> {
    for (const snapshot of [...this.#snapshots]) await snapshot.close()
  }

  #records(kind: RecordKind): Records {
    let records = this.#kinds.get(kind)
    if (records === undefined) {
      records = new Records()
      this.#kinds.set(kind, records)
    }
    return records
  }

  #requireOpen(): void {
    if (this.#closed) throw storeClosed()
  }
}

class MemorySnapshot implements StoreSnapshot {
  #kinds: ReadonlyMap<RecordKind, Records> | undefined
  readonly #closed: (snapshot: MemorySnapshot) => void

  constructor(kinds: ReadonlyMap<RecordKind, Records>, closed: (snapshot: MemorySnapshot) => void) {
    this.#kinds = kinds
    this.#closed = closed
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    if (this.#kinds === undefined) throw snapshotClosed()
    return this.#kinds.get(kind)?.list(page) ?? []
  }

  async close(): Promise<void> {
    this.#kinds = undefined
    this.#closed(this)
  }
}

/** Records by name, whose names are kept in order, since a page is asked for with each revocation. */
class Records {
  readonly #byName: Map<string, Stored>
  /** Ascending. */
  readonly #names: string[]

  constructor(byName: ReadonlyMap<string, Stored> = new Map(), names: readonly string[] = []) {
    this.#byName = new Map(byName)
    this.#names = [...names]
  }

  /** What is stored is replaced and never changed, so a copy shares it. */
  copy(): Records {
    return new Records(this.#byName, this.#names)
  }

  get(name: string): Stored | undefined {
    return this.#byName.get(name)
  }

  /** @param stored `undefined` removes the record */
  put(name: string, stored: Stored | undefined): void {
    const at = this.#countUpTo(name)
    const isThere = this.#names[at - 1] === name
    if (stored === undefined) {
      if (isThere) this.#names.splice(at - 1, 1)
      this.#byName.delete(name)
      return
    }
    if (!isThere) this.#names.splice(at, 0, name)
    this.#byName.set(name, stored)
  }

  list({ after = '', limit }: Page): Listed[] {
    const from = this.#countUpTo(after)
    const names = this.#names.slice(from, from + limit)
    return names.map(name => ({ name, ...copy(this.#byName.get(name) as Stored) }))
  }

  /** How many names are not behind this one in the order. */
  #countUpTo(name: string): number {
    let [from, to] = [0, this.#names.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((this.#names[middle] as string) <= name) from = middle + 1
      else to = middle
    }
    return from
  }
}

/** The store must not share bytes with its callers. */
function copy({ version, value }: Stored): Stored {
  return { version, value: new Uint8Array(value) }
}
