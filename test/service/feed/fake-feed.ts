import type { FeedChannel, FeedEvents } from '../../../service/feed/session.js'
import type { KdcEvent } from '../../../shared/channel/calls.js'
import { SIZE } from '../../../shared/constants.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { OrthrusError } from '../../../shared/errors.js'
import type { Principal } from '../../../shared/principal.js'
import { encodeEntry, type RevocationEntry, type Revoked } from '../../../shared/revocation/entry.js'
import { decodeFollow, encodeLogState, KDC_EVENT } from '../../../shared/revocation/feed.js'
import { HOUR } from '../../../shared/time.js'

/** A KDC's log with its followers, and the network between them: it delays, cuts, repeats and leaves out. */

/** What is on its way to a follower. */
type Delivery =
  | { readonly kind: 'event'; readonly event: KdcEvent; readonly isBeginning?: boolean }
  | { readonly kind: 'answer'; readonly give: () => void }

export class FakeChannel implements FeedChannel {
  readonly calls: string[] = []
  readonly seen: number[] = []
  isOver = false
  readonly #kdc: FakeFeed
  readonly #events: FeedEvents
  readonly #coming: Delivery[] = []
  #follows = false

  constructor(kdc: FakeFeed, events: FeedEvents) {
    this.#kdc = kdc
    this.#events = events
  }

  call(
    method: string,
    args: readonly Value[],
    { answered }: { readonly answered: (results: readonly Value[]) => void },
  ): Promise<unknown> {
    this.calls.push(method)
    if (this.isOver) return Promise.reject(broken())
    if (method === 'seen') this.seen.push(args[0] as number)
    return new Promise(resolve => {
      const results = this.#resultsOf(method)
      const give = (): void => {
        resolve(results)
        answered(results)
      }
      this.#send({ kind: 'answer', give })
      if (method !== 'follow') return
      this.#follows = true
      const { entries, isPositionKnown } = this.#kdc.entriesFor(args)
      for (const [at, entry] of entries.entries()) {
        this.#send({ kind: 'event', event: eventOf(entry), isBeginning: at === 0 && !isPositionKnown })
      }
    })
  }

  close(): void {
    if (this.isOver) return
    this.isOver = true
    this.#events.onEnd(broken())
  }

  /** The network cuts it: nothing that is on its way arrives. */
  cut(): void {
    this.close()
  }

  push(entry: RevocationEntry): void {
    if (this.#follows) this.#send({ kind: 'event', event: eventOf(entry) })
  }

  /** Sends an event of any form. */
  say(event: KdcEvent): void {
    this.#send({ kind: 'event', event })
  }

  /** Sends an event before everything that is on its way. */
  sayFirst(event: KdcEvent): void {
    this.#coming.unshift({ kind: 'event', event })
  }

  /** Lets what is held back arrive, at most this much of it. */
  release(count = Number.POSITIVE_INFINITY): void {
    for (let left = count; left > 0 && this.#coming.length > 0; left--) this.#deliver(this.#coming.shift())
  }

  /**
   * A KDC that is wrong leaves out the next event. Not the first one behind a position that it does not know: the second
   * could be the one that follows the position, so a follower cannot tell.
   */
  skip(): void {
    const at = this.#coming.findIndex(delivery => delivery.kind === 'event' && delivery.isBeginning !== true)
    if (at >= 0) this.#coming.splice(at, 1)
  }

  /** A KDC that is wrong says the next event twice. */
  repeat(): void {
    const at = this.#coming.findIndex(({ kind }) => kind === 'event')
    const found = this.#coming[at]
    if (found !== undefined) this.#coming.splice(at, 0, found)
  }

  #resultsOf(method: string): readonly Value[] {
    return method === 'seen' ? [] : encodeLogState(this.#kdc.state)
  }

  #send(delivery: Delivery): void {
    this.#coming.push(delivery)
    // An answer never comes inside of its question.
    if (!this.#kdc.isHeld) queueMicrotask(() => this.release())
  }

  #deliver(delivery: Delivery | undefined): void {
    if (this.isOver || delivery === undefined) return
    if (delivery.kind === 'event') this.#events.onEvent(delivery.event)
    else delivery.give()
  }
}

export class FakeFeed {
  logId = systemRandom(SIZE.LOG_ID)
  entries: RevocationEntry[] = []
  oldest = 1
  /** While it is set, nothing arrives. */
  isHeld = false
  /** Why no channel opens. */
  failure: OrthrusError | undefined
  readonly channels: FakeChannel[] = []
  /** When a channel was asked for. */
  readonly askedAt: number[] = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get state() {
    const newest = this.entries.at(-1)?.seq ?? this.oldest - 1
    return { logId: this.logId, oldest: this.oldest, newest, time: this.#now() }
  }

  readonly open = async (events: FeedEvents): Promise<FakeChannel> => {
    this.askedAt.push(this.#now())
    if (this.failure !== undefined) throw this.failure
    const channel = new FakeChannel(this, events)
    this.channels.push(channel)
    return channel
  }

  get channel(): FakeChannel {
    const channel = this.channels.at(-1)
    if (channel === undefined) throw new Error('nobody has connected')
    return channel
  }

  revoke(revoked: Revoked, principal: Principal | null = null): RevocationEntry {
    const seq = this.state.newest + 1
    const time = this.#now()
    const entry = { ...revoked, principal, seq, mark: systemRandom(SIZE.MARK), time, keepUntil: time + HOUR }
    this.entries.push(entry)
    for (const channel of this.channels) channel.push(entry)
    return entry
  }

  entriesFor(args: readonly Value[]): {
    readonly entries: readonly RevocationEntry[]
    readonly isPositionKnown: boolean
  } {
    const position = decodeFollow(args)
    const at = this.entries.findIndex(
      ({ seq, mark }) => seq === position?.seq && String(mark) === String(position.mark),
    )
    const isOurs = position !== null && String(position.logId) === String(this.logId)
    const isPositionKnown = isOurs && at >= 0
    return { entries: isPositionKnown ? this.entries.slice(at + 1) : this.entries, isPositionKnown }
  }

  /** Drops entries from the oldest end. The newest stays. */
  drop(count: number): void {
    const dropped = Math.min(count, this.entries.length - 1)
    if (dropped <= 0) return
    this.entries.splice(0, dropped)
    this.oldest += dropped
  }

  /** The log of a KDC that was restored. */
  restore(): void {
    this.logId = systemRandom(SIZE.LOG_ID)
    this.entries = []
    this.oldest = 1
    this.#endAll()
  }

  /** A database that was put back without a restore: numbers are given again, with other marks. */
  rollBack(count: number): void {
    this.entries.splice(Math.max(0, this.entries.length - count))
    if (this.entries.length === 0) this.oldest = 1
    this.#endAll()
  }

  #endAll(): void {
    for (const channel of this.channels) channel.cut()
  }
}

export function eventOf(entry: RevocationEntry): KdcEvent {
  return { name: KDC_EVENT.ENTRY, fields: encodeEntry(entry) }
}

function broken(): OrthrusError {
  return new OrthrusError('channel_broken', 'the channel is over')
}
