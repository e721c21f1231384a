import type {
  Compare,
  Etcd,
  EtcdWatch,
  KeyValue,
  Operation,
  RangeAnswer,
  RangeQuestion,
  Transaction,
  TransactionAnswer,
  WatchEvent,
  WatchListener,
} from '../../kdc/store/etcd/etcd.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Timers } from '../../shared/timers.js'
import type { TestClock } from './clock.js'

/** etcd in memory: what it does is at once, on a clock that the test moves. What lies between is each client's. */

interface Lease {
  readonly ttl: number
  endsAt: number
  readonly keys: Set<string>
}

interface Change {
  readonly revision: number
  readonly events: readonly WatchEvent[]
}

/** What was stored at one moment. */
export interface FakeSnapshot {
  readonly revision: number
  readonly keys: ReadonlyMap<string, KeyValue>
}

export class FakeEtcd {
  readonly #clock: TestClock
  #keys = new Map<string, KeyValue>()
  #history: Change[] = []
  #revision = 1
  #leases = new Map<string, Lease>()
  #lastLease = 0
  readonly #watchers = new Set<(change: Change) => void>()

  constructor(clock: TestClock) {
    this.#clock = clock
  }

  get revision(): number {
    return this.#revision
  }

  get keys(): ReadonlyMap<string, KeyValue> {
    return this.#keys
  }

  range({ key, end, limit = Number.POSITIVE_INFINITY }: RangeQuestion): RangeAnswer {
    this.#endLeases()
    const all = [...this.#keys.values()]
      .filter(found => (end === undefined ? found.key === key : found.key >= key && found.key < end))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    return { revision: this.#revision, found: all.slice(0, limit), more: all.length > limit }
  }

  transact({ compares, operations: wanted, otherwise = [] }: Transaction): TransactionAnswer {
    this.#endLeases()
    const succeeded = compares.every(compare => this.#holds(compare))
    const operations = succeeded ? wanted : otherwise
    for (const operation of operations) this.#requireLease(operation)
    const writes = operations.some(({ kind }) => kind !== 'range')
    const events: WatchEvent[] = []
    const at = this.#revision + 1
    const answers = operations.map(operation => {
      if (operation.kind !== 'range') this.#write(operation, at, events)
      return operation.kind === 'range' ? this.range(operation) : undefined
    })
    if (writes && events.length > 0) this.#commit(events)
    return {
      revision: this.#revision,
      succeeded,
      answers: answers.map(answer => answer && { ...answer, revision: this.#revision }),
    }
  }

  grantLease(ttl: number): string {
    const id = String(++this.#lastLease)
    this.#leases.set(id, { ttl, endsAt: this.#clock.monotonic() + ttl * 1000, keys: new Set() })
    return id
  }

  keepLease(id: string): number {
    this.#endLeases()
    const lease = this.#leases.get(id)
    if (lease === undefined) return 0
    lease.endsAt = this.#clock.monotonic() + lease.ttl * 1000
    return lease.ttl
  }

  revokeLease(id: string): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    this.#leases.delete(id)
    this.#delete([...lease.keys])
  }

  /** Calls the listener with each change from that revision on. @returns a function that ends it */
  watch(revision: number, listener: (change: Change) => void): () => void {
    for (const change of this.#history) if (change.revision >= revision) listener(change)
    const from = (change: Change): void => {
      if (change.revision >= revision) listener(change)
    }
    this.#watchers.add(from)
    return () => this.#watchers.delete(from)
  }

  /** As by another client. */
  delete(key: string): void {
    this.#delete([key])
  }

  /** Leases end at their time, whether or not somebody asks. */
  tick(): void {
    this.#endLeases()
  }

  takeSnapshot(): FakeSnapshot {
    return { revision: this.#revision, keys: new Map(this.#keys) }
  }

  /** Everything is as it was. Watches wait for revisions that were there already. */
  restore({ revision, keys }: FakeSnapshot): void {
    this.#keys = new Map(keys)
    this.#revision = revision
    this.#history = this.#history.filter(change => change.revision <= revision)
    this.#leases = new Map()
  }

  #holds(compare: Compare): boolean {
    const found = this.#keys.get(compare.key)
    return 'version' in compare
      ? (found?.version ?? 0) === compare.version
      : (found?.modRevision ?? 0) === compare.modRevision
  }

  #requireLease(operation: Operation): void {
    if (operation.kind !== 'put' || operation.lease === undefined || this.#leases.has(operation.lease)) return
    throw new OrthrusError('unavailable', 'etcd: requested lease not found')
  }

  #write(operation: Exclude<Operation, { kind: 'range' }>, modRevision: number, events: WatchEvent[]): void {
    const { kind, key } = operation
    const before = this.#keys.get(key)
    for (const { keys } of this.#leases.values()) keys.delete(key)
    if (kind === 'delete') {
      if (before === undefined) return
      this.#keys.delete(key)
      events.push({ kind, key, value: new Uint8Array(), version: 0, modRevision })
      return
    }
    const stored = { key, value: operation.value.slice(), version: (before?.version ?? 0) + 1, modRevision }
    this.#keys.set(key, stored)
    if (operation.lease !== undefined) this.#leases.get(operation.lease)?.keys.add(key)
    events.push({ kind, ...stored })
  }

  #delete(keys: readonly string[]): void {
    const events: WatchEvent[] = []
    for (const key of keys) this.#write({ kind: 'delete', key }, this.#revision + 1, events)
    if (events.length > 0) this.#commit(events)
  }

  #commit(events: readonly WatchEvent[]): void {
    this.#revision += 1
    const change = { revision: this.#revision, events }
    this.#history.push(change)
    for (const watcher of [...this.#watchers]) watcher(change)
  }

  #endLeases(): void {
    const now = this.#clock.monotonic()
    for (const [id, lease] of [...this.#leases]) if (lease.endsAt <= now) this.revokeLease(id)
  }
}

/** How long an answer may take before the client says that there is none, milliseconds. */
const PATIENCE = 1_500

/**
 * One KDC's way to etcd, and the process that it runs in. The test cuts the way, makes it slow, holds a watch back, and
 * stops the process; its clock goes on meanwhile, and what fell due runs when it goes on.
 */
export class FakeClient implements Etcd {
  readonly #etcd: FakeEtcd
  readonly #clock: TestClock
  readonly #watches = new Set<FakeWatch>()
  readonly #held: (() => void)[] = []
  #isStopped = false
  /** No question arrives, and no answer, nor any event. */
  isCut = false
  /** Questions arrive; their answers do not. */
  isDeaf = false
  /** Keep-alives arrive, whatever else does not. */
  keepsLease = false
  /** How long a question or an answer takes, milliseconds. */
  delay: () => number = () => 0
  /** How long an event takes, milliseconds; they stay in order. */
  watchDelay: () => number = () => 0

  constructor(etcd: FakeEtcd, clock: TestClock) {
    this.#etcd = etcd
    this.#clock = clock
  }

  /** Timers of the process: none runs while it is stopped. */
  get timers(): Timers {
    return {
      setTimeout: (run, milliseconds) => this.#clock.setTimeout(() => this.run(run), milliseconds),
      clearTimeout: timer => this.#clock.clearTimeout(timer),
    }
  }

  /** Runs it now, or when the process goes on. */
  run(work: () => void): void {
    if (this.#isStopped) this.#held.push(work)
    else work()
  }

  stop(): void {
    this.#isStopped = true
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  goOn(): void {
    this.#isStopped = false
    for (const work of this.#held.splice(0)) work()
  }

  /** From now on no watch tells of anything, and none ends. */
  hangWatches(): void {
    for (const watch of this.#watches) watch.hang()
  }

  /** Every watch ends, as when its connection is cut. */
  cutWatches(): void {
    for (const watch of [...this.#watches]) watch.end(new OrthrusError('unavailable', 'cut'))
  }

  range(question: RangeQuestion): Promise<RangeAnswer> {
    return this.#ask(() => this.#etcd.range(question))
  }

  transact(transaction: Transaction): Promise<TransactionAnswer> {
    return this.#ask(() => this.#etcd.transact(transaction))
  }

  watch({ revision }: { key: string; end: string; revision: number }, listener: WatchListener): EtcdWatch {
    const watch = new FakeWatch(listener, change => this.#tell(watch, change))
    this.#watches.add(watch)
    this.#later(0, () => {
      if (!watch.isOver) watch.begin(this.#etcd, revision, () => this.#watches.delete(watch))
    })
    return watch
  }

  grantLease(ttl: number): Promise<string> {
    return this.#ask(() => this.#etcd.grantLease(ttl))
  }

  keepLease(lease: string): Promise<number> {
    if (!this.keepsLease) return this.#ask(() => this.#etcd.keepLease(lease))
    return Promise.resolve(this.#etcd.keepLease(lease))
  }

  revokeLease(lease: string): Promise<void> {
    return this.#ask(() => this.#etcd.revokeLease(lease))
  }

  compact(): Promise<void> {
    return Promise.resolve()
  }

  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.close()
  }

  #tell(watch: FakeWatch, { revision, events }: Change): void {
    watch.readyAt = Math.max(watch.readyAt, this.#clock.monotonic() + this.watchDelay())
    this.#later(watch.readyAt - this.#clock.monotonic(), () => {
      if (this.isCut) watch.hang()
      watch.tell(revision, events)
    })
  }

  #ask<T>(answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let isOver = false
      const settle = (work: () => void): void => {
        if (isOver) return
        isOver = true
        this.#clock.clearTimeout(patience)
        work()
      }
      const patience = this.#clock.setTimeout(
        () => this.run(() => settle(() => reject(new OrthrusError('unavailable', 'etcd does not answer')))),
        PATIENCE,
      )
      const arrive = (): void => {
        if (this.isCut) return
        let answered: () => void
        try {
          const value = answer()
          answered = () => resolve(value)
        } catch (cause) {
          answered = () => reject(cause)
        }
        const isLost = this.isDeaf
        this.#later(this.delay(), () => {
          if (!isLost && !this.isCut) settle(answered)
        })
      }
      // The process may be stopped while its question is on its way, which arrives all the same.
      const wait = this.delay()
      if (wait <= 0) arrive()
      else this.#clock.setTimeout(arrive, wait)
    })
  }

  /** Something arrives at the process. */
  #later(milliseconds: number, work: () => void): void {
    if (milliseconds <= 0) queueMicrotask(() => this.run(work))
    else this.#clock.setTimeout(() => this.run(work), milliseconds)
  }
}

class FakeWatch implements EtcdWatch {
  readonly #listener: WatchListener
  readonly #receive: (change: Change) => void
  #stop: () => void = () => {}
  #isHanging = false
  isOver = false
  /** Before this no event arrives, milliseconds of the monotonic clock. */
  readyAt = 0

  constructor(listener: WatchListener, receive: (change: Change) => void) {
    this.#listener = listener
    this.#receive = receive
  }

  begin(etcd: FakeEtcd, revision: number, over: () => void): void {
    const stop = etcd.watch(revision, this.#receive)
    this.#stop = () => {
      stop()
      over()
    }
  }

  tell(revision: number, events: readonly WatchEvent[]): void {
    if (!this.isOver && !this.#isHanging) this.#listener.events(revision, events)
  }

  hang(): void {
    this.#isHanging = true
  }

  end(cause: Error): void {
    if (this.isOver) return
    this.close()
    this.#listener.ended(cause)
  }

  close(): void {
    this.isOver = true
    this.#stop()
  }
}
