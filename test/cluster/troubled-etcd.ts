import type {
  Etcd,
  EtcdWatch,
  RangeAnswer,
  RangeQuestion,
  Transaction,
  TransactionAnswer,
  WatchEvent,
  WatchListener,
} from '../../kdc/store/etcd/etcd.js'

/** A client of etcd whose watch can hang while all else goes on, and which is paused at the worst moment. */
export class TroubledEtcd implements Etcd {
  readonly #etcd: Etcd
  readonly #stop: () => void
  readonly #held: (() => void)[] = []
  #isHeld = false
  #stopsNext = false

  /** @param stop stops this process */
  constructor(etcd: Etcd, stop: () => void) {
    this.#etcd = etcd
    this.#stop = stop
  }

  /** Nothing comes of any watch, or all of it that was held back. */
  holdWatch(on: boolean): void {
    this.#isHeld = on
    if (!on) for (const hand of this.#held.splice(0)) hand()
  }

  /** The lease has been kept alive, and what comes next is that the replica confirms itself. */
  stopAfterKeepAlive(): void {
    this.#stopsNext = true
  }

  range(question: RangeQuestion): Promise<RangeAnswer> {
    return this.#etcd.range(question)
  }

  transact(transaction: Transaction): Promise<TransactionAnswer> {
    return this.#etcd.transact(transaction)
  }

  watch(range: { key: string; end: string; revision: number }, listener: WatchListener): EtcdWatch {
    return this.#etcd.watch(range, {
      events: (revision: number, events: readonly WatchEvent[]) =>
        this.#hand(() => listener.events(revision, events)),
      ended: cause => this.#hand(() => listener.ended(cause)),
    })
  }

  grantLease(ttl: number): Promise<string> {
    return this.#etcd.grantLease(ttl)
  }

  async keepLease(lease: string): Promise<number> {
    const left = await this.#etcd.keepLease(lease)
    if (this.#stopsNext) this.#stop()
    this.#stopsNext = false
    return left
  }

  revokeLease(lease: string): Promise<void> {
    return this.#etcd.revokeLease(lease)
  }

  compact(revision: number): Promise<void> {
    return this.#etcd.compact(revision)
  }

  close(): Promise<void> {
    return this.#etcd.close()
  }

  #hand(event: () => void): void {
    if (this.#isHeld || this.#held.length > 0) this.#held.push(event)
    else event()
  }
}
