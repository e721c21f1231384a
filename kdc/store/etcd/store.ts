import { type RandomSource, systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { type Clock, systemClock } from '../../../shared/time.js'
import { systemTimers, type Timers } from '../../../shared/timers.js'
import {
  bytesOf,
  requireChanges,
  requireName,
  requirePage,
  requireVersion,
  storeClosed,
  Watchers,
} from '../changes.js'
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
} from '../store.js'
import type { Compare, Etcd, KeyValue, Operation } from './etcd.js'
import { GatheredReads } from './gathered-reads.js'
import { decodeContent, encodeContent, leavesTombstone, recordKey } from './record-form.js'
import { EtcdReplica } from './replica.js'
import { lastKey } from './replica-keys.js'
import { EtcdSnapshot, listRecords } from './snapshot.js'

export interface EtcdStoreOptions {
  /** Closed with the store. */
  readonly etcd: Etcd
  /** Of all keys of the realm, such as `/orthrus/demo.example/`. */
  readonly prefix: string
}

/**
 * A store on etcd for one that keeps nothing in memory, such as a command: its watchers hear only of its own changes.
 */
export function createEtcdStore(options: EtcdStoreOptions): Store {
  return new EtcdStore(options)
}

export interface JoinedStoreOptions extends EtcdStoreOptions {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: RandomSource
  /** What the other KDCs are told of this one, in text without meaning here (`Member`). Default: nothing. */
  readonly told?: string
}

/**
 * A store on etcd for a KDC, which is one of all that share the realm from now on: its watchers hear of every change.
 * @throws OrthrusError `unavailable` if etcd cannot be reached; the client is closed then
 */
export async function joinEtcdStore(options: JoinedStoreOptions): Promise<Store> {
  const store = new EtcdStore(options)
  try {
    await store.join(options)
    return store
  } catch (cause) {
    await store.close()
    throw cause
  }
}

/** Changes that are compared one by one. With more of them, the whole realm must be as it was when they were looked at. */
const COMPARED_MAX = 40

/** How often a commit is tried while others keep committing first. */
const ATTEMPTS = 20

interface Look {
  /** What the keys have; `undefined` where there is nothing. */
  readonly found: readonly (KeyValue | undefined)[]
  /** The revision of the last commit of the realm. */
  readonly last: number
}

class EtcdStore implements Store {
  readonly #etcd: Etcd
  readonly #prefix: string
  readonly #reads: GatheredReads
  readonly #watchers = new Watchers()
  readonly #snapshots = new Set<EtcdSnapshot>()
  #replica: EtcdReplica | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor({ etcd, prefix }: EtcdStoreOptions) {
    this.#etcd = etcd
    this.#prefix = prefix
    this.#reads = new GatheredReads(etcd)
  }

  async join({
    clock = systemClock,
    timers = systemTimers,
    random = systemRandom,
    told = '',
  }: JoinedStoreOptions): Promise<void> {
    const apply = this.#watchers.apply.bind(this.#watchers)
    this.#replica = await EtcdReplica.join({
      etcd: this.#etcd,
      prefix: this.#prefix,
      clock,
      timers,
      random,
      told,
      apply,
    })
  }

  get replica(): Replica | undefined {
    return this.#replica
  }

  async get(kind: RecordKind, name: string): Promise<Stored | undefined> {
    requireName(kind, name)
    this.#requireOpen()
    const found = await this.#reads.read(recordKey(this.#prefix, kind, name))
    return found && decodeContent(found)
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    this.#requireOpen()
    return listRecords(this.#etcd, this.#prefix, kind, page)
  }

  async snapshot(): Promise<StoreSnapshot> {
    this.#requireOpen()
    const { revision } = await this.#etcd.range({ key: lastKey(this.#prefix) })
    this.#requireOpen()
    const snapshot = new EtcdSnapshot(this.#etcd, this.#prefix, revision, closed => {
      this.#snapshots.delete(closed)
    })
    this.#snapshots.add(snapshot)
    return snapshot
  }

  async commit(changes: readonly Change[]): Promise<void> {
    requireChanges(changes)
    this.#requireOpen()
    if (changes.length === 0) return
    // The bytes belong to the caller again when this returns.
    const own = changes.map(({ value, ...change }) => ({
      ...change,
      value: value instanceof Uint8Array ? value.slice() : value,
    }))
    return this.#inOrder(() => this.#commit(own))
  }

  /** What etcd's members still have of it on their disks, its operator removes (docs/operations.md). */
  async compact(): Promise<void> {
    this.#requireOpen()
    return this.#inOrder(async () => {
      await this.#closeSnapshots()
      const { revision } = await this.#etcd.range({ key: lastKey(this.#prefix) })
      await this.#etcd.compact(revision)
    })
  }

  /**
   * By a change whose condition no key fulfils: etcd takes it through its log, refuses it where it would refuse a change,
   * and makes none. So no KDC is woken by it, however often it is asked.
   */
  async requireWritable(): Promise<void> {
    this.#requireOpen()
    const key = lastKey(this.#prefix)
    return this.#inOrder(async () => {
      await this.#etcd.transact({
        compares: [{ key, version: Number.MAX_SAFE_INTEGER }],
        operations: [{ kind: 'put', key, value: encodeContent(undefined) }],
      })
    })
  }

  watch(listener: WatchListener): () => void {
    return this.#watchers.add(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => undefined)
    return done
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const look = await this.#look(changes)
      for (const [i, change] of changes.entries()) {
        const found = look.found[i]
        requireVersion(change, (found && decodeContent(found)?.version) ?? 0)
      }
      const compares = this.#compares(changes, look)
      const { succeeded } = await this.#etcd.transact({ compares, operations: this.#writes(changes, look) })
      if (!succeeded) continue
      this.#watchers.notify(changes)
      return
    }
    throw new OrthrusError('unavailable', 'other KDCs keep changing the realm first', { hint: 'try again' })
  }

  /** All of one revision. */
  async #look(changes: readonly Change[]): Promise<Look> {
    const keys = [lastKey(this.#prefix), ...changes.map(change => this.#keyOf(change))]
    const { answers } = await this.#etcd.transact({
      compares: [],
      operations: keys.map(key => ({ kind: 'range', key })),
    })
    const [last, ...found] = answers.map(answer => answer?.found[0])
    return { found, last: last?.modRevision ?? 0 }
  }

  #compares(changes: readonly Change[], { found, last }: Look): Compare[] {
    if (changes.length > COMPARED_MAX) return [{ key: lastKey(this.#prefix), modRevision: last }]
    return changes.map((change, i) => ({
      key: this.#keyOf(change),
      modRevision: found[i]?.modRevision ?? 0,
    }))
  }

  #writes(changes: readonly Change[], { found }: Look): Operation[] {
    const writes = changes.map((change, i): Operation => {
      const key = this.#keyOf(change)
      const value = bytesOf(change.value, (found[i]?.version ?? 0) + 1)
      if (value === undefined && !leavesTombstone(change.kind)) return { kind: 'delete', key }
      return { kind: 'put', key, value: encodeContent(value) }
    })
    return [...writes, { kind: 'put', key: lastKey(this.#prefix), value: encodeContent(undefined) }]
  }

  #keyOf({ kind, name }: Change): string {
    return recordKey(this.#prefix, kind, name)
  }

  async #closeSnapshots(): Promise<void> {
    for (const snapshot of [...this.#snapshots]) await snapshot.close()
  }

  async #close(): Promise<void> {
    await this.#queue
    await this.#closeSnapshots()
    await this.#replica?.leave()
    this.#watchers.clear()
    await this.#etcd.close()
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw storeClosed()
  }
}
