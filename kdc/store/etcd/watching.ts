import type { Clock } from '../../../shared/time.js'
import { EVERYTHING_CHANGED, type Noticed } from '../changes.js'
import type { Etcd, EtcdWatch, WatchEvent } from './etcd.js'
import type { Membership } from './membership.js'
import type { Place } from './place.js'
import { lastKey, recordOfKey, wholeRange } from './replica-keys.js'
import { reasonOf } from './standing.js'

export interface WatchingOptions {
  readonly etcd: Etcd
  /** Of all keys of the realm. */
  readonly prefix: string
  readonly clock: Clock
  readonly place: Place
  readonly membership: Membership
  /**
   * Tells the watchers of the store. What they hold in memory is forgotten at once.
   * @returns a promise if some of them read it again, which rejects if they cannot
   */
  readonly apply: (changes: readonly Noticed[]) => Promise<void> | undefined
  /** Called with each revision that was told of. */
  readonly heard: (revision: number) => void
  /** Called when all changes up to a revision are applied. */
  readonly advanced: (revision: number) => void
  /** Called, with the reason, when no more can be applied: all has to be forgotten again. */
  readonly broken: (reason: string) => void
}

/**
 * One watch over everything that the realm has, from the revision in which its KDC took its place and forgot what it had.
 * Changes are applied in the order of their revisions, and the place tells how far.
 */
export class Watching {
  readonly place: Place
  readonly #options: WatchingOptions
  #watch: EtcdWatch | undefined
  /** The revision up to which changes have been told of. */
  #delivered: number
  #applied = 0
  /** Applies what was told of, in order. `undefined` while all of it is applied. */
  #applying: Promise<void> | undefined
  #isOver = false

  constructor(options: WatchingOptions) {
    this.#options = options
    this.place = options.place
    this.#delivered = options.place.taken.revision
  }

  /** The revision up to which all changes have been applied. */
  get applied(): number {
    return this.#applied
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Has everything forgotten that was in memory, and watches from there. To be called once. */
  begin(): void {
    const { etcd, prefix, clock, membership, apply } = this.#options
    const { revision, replicas } = this.place.taken
    const done = apply(EVERYTHING_CHANGED)
    membership.startOver(replicas, clock.monotonic())
    this.#watch = etcd.watch(
      { ...wholeRange(prefix), revision: revision + 1 },
      {
        events: (at, events) => this.#hear(at, events),
        ended: cause => this.#break(`the watch ended: ${cause.message}`),
      },
    )
    this.#applyInOrder(revision, done, true)
  }

  /** Nothing that it is told of is applied any more, and its place ends. */
  close(): void {
    this.#isOver = true
    this.#watch?.close()
    this.place.drop()
  }

  #hear(revision: number, events: readonly WatchEvent[]): void {
    // What was told of already may be told of again.
    if (this.#isOver || revision <= this.#delivered) return
    const { clock, prefix, membership, apply, heard } = this.#options
    const now = clock.monotonic()
    const last = lastKey(prefix)
    const changes: Noticed[] = []
    let hasNews = false
    for (const event of events) {
      if (membership.apply(event, now)) continue
      const record = recordOfKey(prefix, event.key)
      if (record !== undefined) changes.push(record)
      if (record !== undefined || event.key === last) hasNews = true
    }
    this.#delivered = revision
    heard(revision)
    this.#applyInOrder(revision, changes.length === 0 ? undefined : apply(changes), hasNews)
  }

  /** @param done when the watchers know what there is; `undefined` if they do */
  #applyInOrder(revision: number, done: Promise<void> | undefined, hasNews: boolean): void {
    const before = this.#applying
    if (done === undefined && before === undefined) {
      this.#advance(revision, hasNews)
      return
    }
    const applying = Promise.all([before, done]).then(
      () => {
        if (this.#isOver) return
        if (this.#applying === applying) this.#applying = undefined
        this.#advance(revision, hasNews)
      },
      cause => this.#break(`a change could not be read: ${reasonOf(cause)}`),
    )
    this.#applying = applying
  }

  /** Of what is about replicas alone, no place tells: that would be news to all others. */
  #advance(revision: number, hasNews: boolean): void {
    this.#applied = revision
    if (hasNews) this.place.tell(revision)
    this.#options.advanced(revision)
  }

  #break(reason: string): void {
    if (!this.#isOver) this.#options.broken(reason)
  }
}
