import { requireChanges, requireName, requirePage, requireVersion, storeClosed, Watchers } from './changes.js'
import type { Change, Listed, Page, RecordKind, Store, Stored, WatchListener } from './store.js'

/** A store that ends with the process, for tests and `orthrus/testing`. */
export function createMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #kinds = new Map<RecordKind, Records>()
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
      this.#records(kind).put(name, value && copy({ version: expected + 1, value }))
    }
    this.#watchers.notify(changes)
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    this.#requireOpen()
    return this.#records(kind)
      .page(page)
      .map(([name, stored]) => ({ name, ...copy(stored) }))
  }

  watch(listener: WatchListener): () => void {
    return this.#watchers.add(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watchers.clear()
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

/** Records by name, whose names are kept in order, since a page is asked for with each revocation. */
class Records {
  readonly #byName = new Map<string, Stored>()
  /** Ascending. */
  readonly #names: string[] = []

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

  page({ after = '', limit }: Page): [string, Stored][] {
    const from = this.#countUpTo(after)
    const names = this.#names.slice(from, from + limit)
    return names.map(name => [name, this.#byName.get(name) as Stored])
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
