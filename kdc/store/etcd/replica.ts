import { toHex } from '../../../shared/bytes.js'
import type { RandomSource } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { nowBy } from '../../../shared/time.js'
import { type Cancel, inBackground, runEvery, sleep, type Timers } from '../../../shared/timers.js'
import { EVERYTHING_CHANGED } from '../changes.js'
import type { Member, Replica, ReplicaNotice } from '../store.js'
import { Currency } from './currency.js'
import { Membership } from './membership.js'
import { confirm, Place } from './place.js'
import { REPLICA } from './replica-defaults.js'
import { lastKey } from './replica-keys.js'
import { settle } from './settle.js'
import { Standing } from './standing.js'
import { Wakeup } from './wakeup.js'
import { Watching, type WatchingOptions } from './watching.js'

export interface ReplicaOptions extends Pick<WatchingOptions, 'etcd' | 'prefix' | 'clock' | 'apply'> {
  readonly timers: Timers
  readonly random: RandomSource
  /** What the other KDCs are told of this one, in text without meaning here. */
  readonly told: string
}

/**
 * This KDC among those that share a realm on etcd. It answers from memory only while it knows that it has applied every
 * change, and a change that takes something away is acknowledged only when every other KDC has applied it, or can answer
 * nothing more:
 *
 * 1. It has a key under a lease (`Place`), whose value is the revision that it has applied. It takes the key before it
 *    remembers anything.
 * 2. It watches everything (`Watching`), from the revision in which it took the key. If the watch ends, for whatever reason, or the
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
  readonly #standing: Standing
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

  private constructor(options: ReplicaOptions) {
    const { clock, timers, random, prefix } = options
    this.#options = options
    this.id = toHex(random(8))
    this.#currency = new Currency(clock)
    this.#standing = new Standing(clock, this.#currency)
    this.#membership = new Membership(prefix, this.id)
    this.#wakeup = new Wakeup(inBackground(timers))
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

  /** All KDCs that have a place, as far as this one knows. */
  get members(): readonly Member[] {
    return this.#membership.members
  }

  isCurrent(): boolean {
    return this.#standing.isCurrent()
  }

  whenCurrent(): Promise<void> | undefined {
    return this.#standing.whenCurrent()
  }

  get fault(): OrthrusError | undefined {
    return this.#standing.fault
  }

  onNotice(listener: (notice: ReplicaNotice) => void): void {
    this.#standing.onNotice(listener)
  }

  async settled(): Promise<readonly string[]> {
    const { etcd, prefix, clock } = this.#options
    const requireGoing = (): void => this.#standing.requireGoing()
    requireGoing()
    const before = this.#highest
    const answer = await etcd.range({ key: lastKey(prefix) })
    this.#see(answer.revision, before)
    requireGoing()
    return settle(answer.found[0]?.modRevision ?? 0, {
      etcd,
      prefix,
      clock,
      membership: this.#membership,
      wakeup: this.#wakeup,
      applied: () => this.#watching?.applied ?? 0,
      requireGoing,
      notePutOut: other => this.#standing.notify({ kind: 'put_out', other }),
    })
  }

  /** Gives up its place. Nothing is answered from memory any more. Takes a second at most, and never throws. */
  async leave(): Promise<void> {
    if (this.#standing.hasEnded) return
    const place = this.#watching?.place
    this.#end(new OrthrusError('unavailable', 'the store has been closed'))
    await place?.leave()
  }

  #tick(): void {
    this.#standing.look()
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
      this.#standing.look()
    } catch (cause) {
      if (!watching.isOver) this.#standing.blame(cause)
      throw cause
    } finally {
      this.#confirmations -= 1
    }
  }

  /** Takes a place, forgets everything, and watches from there. @throws OrthrusError `unavailable` */
  async #join(): Promise<void> {
    const { etcd, prefix, timers, clock, told } = this.#options
    const before = this.#highest
    let isLost = false
    const place = await Place.take({
      etcd,
      prefix,
      id: this.id,
      told,
      timers,
      lost: reason => {
        isLost = true
        if (this.#watching?.place === place) this.#startOver(reason)
      },
    })
    if (this.#standing.hasEnded || isLost || !this.#see(place.taken.revision, before)) {
      place.drop()
      this.#standing.requireGoing()
      throw new OrthrusError('unavailable', 'the place of this KDC was lost at once')
    }
    this.#currency.startOver()
    this.#watching = this.#watchFrom(place)
    this.#joinedAt = clock.monotonic()
    this.#watching.begin()
    this.#standing.notify({ kind: 'joined' })
  }

  #watchFrom(place: Place): Watching {
    return new Watching({
      ...this.#options,
      place,
      membership: this.#membership,
      heard: revision => {
        this.#highest = Math.max(this.#highest, revision)
        this.#wakeup.wake()
      },
      advanced: revision => {
        this.#currency.applied(revision)
        this.#standing.look()
        this.#wakeup.wake()
      },
      broken: reason => this.#startOver(reason),
    })
  }

  /** Nothing that is in memory is trusted for longer than the last confirmation says. */
  #startOver(reason: string): void {
    if (this.#watching === undefined || this.#standing.hasEnded) return
    this.#standing.blame(reason)
    this.#drop(this.#watching)
    this.#joining ??= this.#joinAgain().finally(() => {
      this.#joining = undefined
    })
  }

  async #joinAgain(): Promise<void> {
    const { timers, random, clock } = this.#options
    const { LEAST, MOST } = REPLICA.JOIN_AGAIN
    // A place that lasted is followed by the next one at once.
    if (clock.monotonic() - this.#joinedAt > MOST) this.#wait = 0
    while (!this.#standing.hasEnded) {
      // So that those that were cut off together do not come back in step.
      if (this.#wait > 0) await sleep(inBackground(timers), this.#wait * (0.5 + (random(1)[0] ?? 0) / 512))
      this.#wait = Math.min(Math.max(LEAST, 2 * this.#wait), MOST)
      try {
        await this.#join()
        void this.#confirm().catch(() => {})
        return
      } catch (cause) {
        this.#standing.blame(cause)
      }
    }
  }

  #drop(watching: Watching): void {
    watching.close()
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
    if (this.#standing.hasEnded) return false
    this.#end(wentBack())
    this.#options.apply(EVERYTHING_CHANGED)?.catch(() => {})
    this.#standing.notify({ kind: 'restored', seen: before, found: revision })
    return false
  }

  #end(why: OrthrusError): void {
    this.#standing.end(why)
    this.#stopTicking()
    if (this.#watching !== undefined) this.#drop(this.#watching)
    this.#wakeup.wake()
  }
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
