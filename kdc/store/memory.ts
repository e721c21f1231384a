import { requireChanges, requireName, requirePage, requireVersion, storeClosed, Watchers } from './changes.js'
import type { Change, Listed, Page, RecordKind, Store, Stored, WatchListener } from './store.js'

/** A store that ends with the process, for tests and `orthrus/testing`. */
export function createMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #kinds = new Map<RecordKind, Map<string, Stored>>()
  readonly #watchers = new Watchers()
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
      if (value === undefined) this.#records(kind).delete(name)
      else this.#records(kind).set(name, copy({ version: expected + 1, value }))
    }
    this.#watchers.notify(changes)
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    this.#requireOpen()
    const { after = '', limit } = page
    const records = [...this.#records(kind)].filter(([name]) => name > after)
    records.sort(([a], [b]) => (a < b ? -1 : 1))
    return records.slice(0, limit).map(([name, stored]) => ({ name, ...copy(stored) }))
  }

  watch(listener: WatchListener): () => void {
    return this.#watchers.add(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watchers.clear()
  }

  #records(kind: RecordKind): Map<string, Stored> {
    let records = this.#kinds.get(kind)
    if (records === undefined) {
      records = new Map()
      this.#kinds.set(kind, records)
    }
    return records
  }

  #requireOpen(): void {
    if (this.#closed) throw storeClosed()
  }
}

/** The store must not share bytes with its callers. */
function copy({ version, value }: Stored): Stored {
  return { version, value: new Uint8Array(value) }
}
