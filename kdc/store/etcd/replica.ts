import { toHex } from '../../../shared/bytes.js'
import type { RandomSource } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { type Clock, nowBy } from '../../../shared/time.js'
import { type Cancel, inBackground, runAfter, runEvery, sleep, type Timers } from '../../../shared/timers.js'
import { EVERYTHING_CHANGED, type Noticed } from '../changes.js'
import type { Replica, ReplicaNotice } from '../store.js'
import { Currency } from './currency.js'
import type { Etcd, EtcdWatch, WatchEvent } from './etcd.js'
import { Membership } from './membership.js'
import { confirm, Place } from './place.js'
import { REPLICA } from './replica-defaults.js'
import { lastKey, recordOfKey, wholeRange } from './replica-keys.js'
import { settle } from './settle.js'
import { Wakeup } from './wakeup.js'

export interface ReplicaOptions {
  readonly etcd: Etcd
  /** Of all keys of the realm, such as `/orthrus/demo.example/`. */
  readonly prefix: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: RandomSource
  /**
   * Tells the watchers of the store. What they hold in memory is forgotten at once.
   * @returns a promise if some of them read it again, which rejects if they cannot
   */
  readonly apply: (changes: readonly Noticed[]) => Promise<void> | undefined
}

/** One watch, from the moment in which everything in memory was forgotten. */
interface Watching {
  readonly place: Place
  readonly watch: EtcdWatch
  /** The revision up to which changes have been told of. */
  delivered: number
  /** The revision up to which changes have been applied. */
  applied: number
  /** Applies what was told of, in order. `undefined` while all of it is applied. */
  applying: Promise<void> | undefined
  isOver: boolean
}

/**
 * This KDC among those that share a realm on etcd. It answers from memory only while it knows that it has applied every
 * change, and a change that takes something away is acknowledged only when every other KDC has applied it, or can answer
 * nothing more:
 *
 * 1. It has a key under a lease (`Place`), whose value is the revision that it has applied. It takes the key before it
 *    remembers anything.
 * 2. It watches everything, from the revision in which it took the key. If the watch ends, for whatever reason, or the
 *    key is gone, it takes a place again and forgets everything.
 * 3. It confirms itself again and again (`Currency`): one linearizable question for the last change and its own key. Its
 *    key gone: nothing is confirmed. The answers of a second after the question was sent are good.
 * 4. Whoever waits for an acknowledgement (`settle`) looks at the keys, and waits longer for a key that vanished than
 *    its KDC can go on without a confirmation.
 */
export class EtcdReplica implements Replica {
  readonly id: string
  readonly #options: ReplicaOptions
  readonly #currency: Currency
  readonly #membership: Membership
  readonly #wakeup: Wakeup
  readonly #stopTicking: Cancel
  #watching: Watching | undefined
  /** The highest revision that etcd ever told of. It can only rise, unless etcd is restored from a snapshot. */
  #highest = 0
  #confirmations = 0
  #joining: Promise<void> | undefined
  /** When it got its latest place, by the monotonic clock. */
  #joinedAt = 0
  /** How long it waits before it takes a place again, milliseconds. */
  #wait = 0
  /** Why it does nothing any more, if that is so. */
  #ended: OrthrusError | undefined
  /** Since when it has not been current, by the monotonic clock. */
  #lostAt: number | undefined
  #reason = 'it has not been confirmed yet'
  #notices: ReplicaNotice[] = []
  #listener: ((notice: ReplicaNotice) => void) | undefined

  private constructor(options: ReplicaOptions) {
    const { clock, timers, random, prefix } = options
    this.#options = options
    this.id = toHex(random(8))
    this.#currency = new Currency(clock)
    this.#membership = new Membership(prefix, this.id)
    this.#wakeup = new Wakeup(inBackground(timers))
    this.#lostAt = clock.monotonic()
    this.#stopTicking = runEvery(inBackground(timers), REPLICA.CONFIRM_EVERY, () => this.#tick())
  }

  /** @throws OrthrusError `unavailable` if etcd cannot be reached */
  static async join(options: ReplicaOptions): Promise<EtcdReplica> {
    const replica = new EtcdReplica(options)
    try {
      await replica.#join()
      await replica.#confirm()
      return replica
    } catch (cause) {
      await replica.leave()
      throw cause
    }
  }

  /** The ids of all KDCs that have a place, as far as this one knows. */
  get members(): readonly string[] {
    return this.#membership.ids
  }

  isCurrent(): boolean {
    return this.#ended === undefined && this.#currency.isCurrent()
  }

  get fault(): OrthrusError | undefined {
    if (this.#ended !== undefined) return this.#ended
    if (this.#currency.isCurrent()) return undefined
    return new OrthrusError('unavailable', `this KDC may not have seen all changes: ${this.#reason}`, {
      hint: 'ask another KDC of the realm; this one goes on by itself once it reaches etcd',
    })
  }

  onNotice(listener: (notice: ReplicaNotice) => void): void {
    this.#listener = listener
    for (const notice of this.#notices.splice(0)) listener(notice)
  }

  async settled(): Promise<readonly string[]> {
    const { etcd, prefix, clock } = this.#options
    this.#requireGoing()
    const before = this.#highest
    const answer = await etcd.range({ key: lastKey(prefix) })
    this.#see(answer.revision, before)
    this.#requireGoing()
    return settle(answer.found[0]?.modRevision ?? 0, {
      etcd,
      prefix,
      clock,
      membership: this.#membership,
      wakeup: this.#wakeup,
      applied: () => this.#watching?.applied ?? 0,
      requireGoing: () => this.#requireGoing(),
      notePutOut: other => this.#notify({ kind: 'put_out', other }),
    })
  }

  /** Gives up its place. Nothing is answered from memory any more. Takes a second at most, and never throws. */
  async leave(): Promise<void> {
    if (this.#ended !== undefined) return
    const place = this.#watching?.place
    this.#end(new OrthrusError('unavailable', 'the store has been closed'))
    if (place === undefined) return
    await new Promise<void>(resolve => {
      const cancel = runAfter(inBackground(this.#options.timers), REPLICA.LEAVE_WITHIN, resolve)
      const over = (): void => {
        cancel()
        resolve()
      }
      place.leave().then(over, over)
    })
  }

  #tick(): void {
    const isCurrent = this.#currency.isCurrent()
    if (!isCurrent && this.#lostAt === undefined) this.#lose()
    if (this.#currency.isBehind)
      this.#startOver('the watch did not tell of a change, or it could not be read')
    if (this.#confirmations < REPLICA.CONFIRMATIONS) void this.#confirm().catch(() => {})
  }

  async #confirm(): Promise<void> {
    const watching = this.#watching
    if (watching === undefined) return
    const { etcd, prefix, clock } = this.#options
    const before = this.#highest
    const sent = nowBy(clock)
    this.#confirmations += 1
    try {
      const { revision, last, own } = await confirm(etcd, prefix, this.id)
      if (watching.isOver || !this.#see(revision, before)) return
      if (own === undefined) return this.#startOver('its key was gone from etcd')
      watching.place.found(own)
      this.#currency.answered(sent, last, watching.applied)
      this.#noteCurrent()
    } catch (cause) {
      if (!watching.isOver) this.#reason = reasonOf(cause)
      throw cause
    } finally {
      this.#confirmations -= 1
    }
  }

  /** Takes a place, forgets everything, and watches from there. @throws OrthrusError `unavailable` */
  async #join(): Promise<void> {
    const { etcd, prefix, timers, clock, apply } = this.#options
    const before = this.#highest
    let isLost = false
    const place = await Place.take({
      etcd,
      prefix,
      id: this.id,
      timers,
      lost: reason => {
        isLost = true
        if (this.#watching?.place === place) this.#startOver(reason)
      },
    })
    const { revision, replicas } = place.taken
    if (this.#ended !== undefined || isLost || !this.#see(revision, before)) {
      place.drop()
      this.#requireGoing()
      throw new OrthrusError('unavailable', 'the place of this KDC was lost at once')
    }
    const done = apply(EVERYTHING_CHANGED)
    this.#membership.startOver(replicas, clock.monotonic())
    this.#currency.startOver()
    const watch = etcd.watch(
      { ...wholeRange(prefix), revision: revision + 1 },
      {
        events: (at, events) => this.#hear(watching, at, events),
        ended: cause => {
          if (!watching.isOver) this.#startOver(`the watch ended: ${cause.message}`)
        },
      },
    )
    const watching: Watching = {
      place,
      watch,
      delivered: revision,
      applied: 0,
      applying: undefined,
      isOver: false,
    }
    this.#watching = watching
    this.#joinedAt = clock.monotonic()
    this.#applyInOrder(watching, revision, done, true)
    this.#notify({ kind: 'joined' })
  }

  #hear(watching: Watching, revision: number, events: readonly WatchEvent[]): void {
    // What was told of already may be told of again.
    if (watching.isOver || revision <= watching.delivered) return
    const { clock, prefix, apply } = this.#options
    const now = clock.monotonic()
    const last = lastKey(prefix)
    const changes: Noticed[] = []
    let hasNews = false
    for (const event of events) {
      if (this.#membership.apply(event, now)) continue
      const record = recordOfKey(prefix, event.key)
      if (record !== undefined) changes.push(record)
      if (record !== undefined || event.key === last) hasNews = true
    }
    watching.delivered = revision
    this.#highest = Math.max(this.#highest, revision)
    this.#applyInOrder(watching, revision, changes.length === 0 ? undefined : apply(changes), hasNews)
    this.#wakeup.wake()
  }

  /** @param done when the watchers know what there is; `undefined` if they do */
  #applyInOrder(
    watching: Watching,
    revision: number,
    done: Promise<void> | undefined,
    hasNews: boolean,
  ): void {
    const { applying: before } = watching
    if (done === undefined && before === undefined) {
      this.#advance(watching, revision, hasNews)
      return
    }
    const applying = Promise.all([before, done]).then(
      () => {
        if (watching.isOver) return
        if (watching.applying === applying) watching.applying = undefined
        this.#advance(watching, revision, hasNews)
      },
      cause => {
        if (!watching.isOver) this.#startOver(`a change could not be read: ${reasonOf(cause)}`)
      },
    )
    watching.applying = applying
  }

  #advance(watching: Watching, revision: number, hasNews: boolean): void {
    watching.applied = revision
    if (hasNews) watching.place.tell(revision)
    this.#currency.applied(revision)
    this.#noteCurrent()
    this.#wakeup.wake()
  }

  /** Nothing that is in memory is trusted for longer than the last confirmation says. */
  #startOver(reason: string): void {
    const watching = this.#watching
    if (watching === undefined || this.#ended !== undefined) return
    this.#reason = reason
    this.#drop(watching)
    this.#joining ??= this.#joinAgain().finally(() => {
      this.#joining = undefined
    })
  }

  async #joinAgain(): Promise<void> {
    const { timers, random, clock } = this.#options
    const { LEAST, MOST } = REPLICA.JOIN_AGAIN
    // A place that lasted is followed by the next one at once.
    if (clock.monotonic() - this.#joinedAt > MOST) this.#wait = 0
    while (this.#ended === undefined) {
      // So that those that were cut off together do not come back in step.
      if (this.#wait > 0) await sleep(inBackground(timers), this.#wait * (0.5 + (random(1)[0] ?? 0) / 512))
      this.#wait = Math.min(Math.max(LEAST, 2 * this.#wait), MOST)
      try {
        await this.#join()
        void this.#confirm().catch(() => {})
        return
      } catch (cause) {
        this.#reason = reasonOf(cause)
      }
    }
  }

  #drop(watching: Watching): void {
    watching.isOver = true
    watching.watch.close()
    watching.place.drop()
    this.#watching = undefined
    this.#currency.startOver()
    this.#wakeup.wake()
  }

  /**
   * Notes a revision that etcd told of.
   * @param before the highest one when it was asked: answers can overtake each other
   * @returns false if etcd has gone back
   */
  #see(revision: number, before: number): boolean {
    if (revision >= before) {
      this.#highest = Math.max(this.#highest, revision)
      return true
    }
    if (this.#ended !== undefined) return false
    this.#end(wentBack())
    this.#options.apply(EVERYTHING_CHANGED)?.catch(() => {})
    this.#notify({ kind: 'restored', seen: before, found: revision })
    return false
  }

  #end(why: OrthrusError): void {
    this.#ended = why
    this.#stopTicking()
    this.#currency.end()
    if (this.#watching !== undefined) this.#drop(this.#watching)
    this.#wakeup.wake()
  }

  #requireGoing(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  #lose(): void {
    this.#lostAt = this.#options.clock.monotonic()
    this.#notify({ kind: 'lost', reason: this.#reason })
  }

  #noteCurrent(): void {
    if (this.#lostAt === undefined || !this.isCurrent()) return
    const after = this.#options.clock.monotonic() - this.#lostAt
    this.#lostAt = undefined
    this.#reason = 'it has not been confirmed for a second'
    this.#notify({ kind: 'current', after: Math.round(after) })
  }

  #notify(notice: ReplicaNotice): void {
    if (this.#listener === undefined) this.#notices.push(notice)
    else this.#listener(notice)
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof OrthrusError ? cause.reason : 'an unexpected failure'
}

function wentBack(): OrthrusError {
  return new OrthrusError(
    'unavailable',
    'etcd has gone back to what it was before: changes that were acknowledged are lost, revocations among them',
    {
      final: true,
      hint: 'if that is meant, look at what was lost in the audit log, make it again, and start each KDC again; otherwise restore a backup with: orthrus restore',
    },
  )
}
