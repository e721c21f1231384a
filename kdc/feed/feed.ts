import type { FollowerRow } from '../../shared/administration/revocations.js'
import { toHex } from '../../shared/bytes.js'
import { encodeEvent, type KdcEvent } from '../../shared/channel/calls.js'
import { malformed } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { FeedPosition, LogState } from '../../shared/revocation/feed.js'
import { SECOND } from '../../shared/time.js'
import { type Cancel, inBackground, runAfter, runEvery, type Timers } from '../../shared/timers.js'
import { FEED, FOLLOWERS } from '../limits/defaults.js'
import { EntryPages } from './entry-pages.js'
import type { FollowedLog } from './followed-log.js'
import { Follower, type FollowingChannel } from './follower.js'
import { FollowerTable } from './follower-table.js'
import { SeenWaits } from './seen-waits.js'

/** Tuning: how long a follower that lost its standing may take to be sent the rest of the log, milliseconds. */
const REST_WAIT = SECOND

export interface FeedOptions {
  readonly log: FollowedLog
  readonly logId: () => Uint8Array
  /** KDC time. */
  readonly time: { now(): number; monotonic(): number }
  readonly timers: Timers
}

/** Two addresses that follow as one principal at the same time. */
export interface Doubled {
  readonly principal: Principal
  readonly addresses: readonly [string, string]
}

/** The feed of the revocation log: its followers, and what is sent to them (docs/protocol.md section 10). */
export class Feed {
  readonly #options: FeedOptions
  readonly #pages: EntryPages
  readonly #table = new FollowerTable()
  readonly #waits: SeenWaits
  /** Those that may have something to be sent. */
  readonly #ready = new Set<Follower>()
  readonly #unfollow: () => void
  readonly #startedAt: number
  #followers = 0
  /** Whether the log has entries that no follower was sent. */
  #hasNews = false
  #isScheduled = false
  #stopChecking: Cancel = () => {}
  #onDoubled: (doubled: Doubled) => void = () => {}

  constructor(options: FeedOptions) {
    const { log, timers, time } = options
    this.#options = options
    this.#pages = new EntryPages(log)
    this.#waits = new SeenWaits(timers)
    this.#startedAt = time.monotonic()
    this.#unfollow = log.onEntry(entry => {
      this.#pages.add(entry)
      this.#hasNews = true
      this.#schedule()
    })
  }

  /**
   * Begins to follow. The follower is sent nothing until its `flow` is called.
   * @throws OrthrusError `unavailable`
   */
  async follow(channel: FollowingChannel, position: FeedPosition | null): Promise<Follower> {
    const { log } = this.#options
    await log.settle()
    const isKnown = position !== null && (await this.#has(position))
    const begin = isKnown ? { next: position.seq + 1, seen: position.seq } : { next: log.oldest, seen: 0 }
    const follower = new Follower(channel, begin.next, begin.seen, {
      log,
      pages: this.#pages,
      monotonic: () => this.#options.time.monotonic(),
      wake: ready => this.#wake(ready),
    })
    if (!channel.isOver) this.#join(follower)
    return follower
  }

  /** What the log has. */
  state(): LogState {
    const { log, logId, time } = this.#options
    return { logId: logId(), oldest: log.oldest, newest: log.newest, time: time.now() }
  }

  /**
   * What the log has, as soon as the follower was sent all of it and it is known to be all. The follower is sent nothing
   * more until its `flow` is called, so that the answer goes out behind the newest entry that it tells, and before the
   * next one.
   * @throws OrthrusError `unavailable`
   */
  async alive(follower: Follower): Promise<LogState> {
    const { log } = this.#options
    this.#hear(follower)
    while (!(log.isCurrent && follower.isAtHead) && !follower.channel.isOver) {
      await log.current()
      await follower.whenAtHead()
    }
    follower.hold()
    return this.state()
  }

  /**
   * Sends a follower everything that the log has by now, before its channel is ended: the entry that ends it is among
   * that, and a service whose key was revoked cannot come back to ask for it. Takes a second at most, and never throws.
   */
  async sendRest(follower: Follower): Promise<void> {
    const { log, timers } = this.#options
    const rest = log.settle().then(() => follower.whenAtHead())
    await new Promise<void>(resolve => {
      const cancel = runAfter(timers, REST_WAIT, resolve)
      const over = (): void => {
        cancel()
        resolve()
      }
      rest.then(over, over)
    })
  }

  /** @throws OrthrusError `malformed` for an entry that the follower was not sent */
  seen(follower: Follower, seq: number): void {
    this.#hear(follower)
    if (seq > follower.sent) throw malformed('an entry that was not sent')
    follower.seen = Math.max(follower.seen, seq)
    this.#waits.changed(follower)
  }

  /** The channel of the follower is over. */
  leave(follower: Follower): void {
    follower.ended()
    this.#ready.delete(follower)
    if (!this.#table.remove(follower)) return
    this.#waits.left(follower)
    this.#followers -= 1
    if (this.#followers === 0) this.#stopChecking()
  }

  /** Sends an event to all followers of a principal. */
  tell(principal: Principal, event: KdcEvent): void {
    const followers = this.#table.of(principal)
    if (followers.size === 0) return
    const bytes = encodeEvent(event)
    for (const follower of followers) follower.tell(bytes)
  }

  /** Sends an event to all followers. */
  tellAll(event: KdcEvent): void {
    const bytes = encodeEvent(event)
    for (const follower of this.#table.connected()) follower.tell(bytes)
  }

  /** Resolves when each connected follower has said that it applied the entry, or that many milliseconds later. */
  whenSeen(seq: number, milliseconds: number): Promise<void> {
    return this.#waits.wait(seq, this.#table.connected(), milliseconds)
  }

  /** Who follows, and who left (`FollowerTable`). */
  rows(): FollowerRows {
    const now = this.#options.time.monotonic()
    return { rows: [...this.#table.rows(now)], keptFor: Math.floor(now - this.#startedAt) }
  }

  /** How many follow, and how far the one that is furthest behind has to go. */
  get following(): Following {
    const { log, time } = this.#options
    const now = time.monotonic()
    let [behind, silentFor] = [0, 0]
    for (const { seen, heardAt } of this.#table.connected()) {
      behind = Math.max(behind, log.newest - Math.max(seen, log.oldest - 1))
      silentFor = Math.max(silentFor, now - heardAt)
    }
    return { followers: this.#followers, behind, silentFor }
  }

  /** Sets the one listener, called when a second address begins to follow as a principal. */
  onDoubled(listener: (doubled: Doubled) => void): void {
    this.#onDoubled = listener
  }

  close(): void {
    this.#unfollow()
    this.#stopChecking()
    this.#waits.close()
    this.#ready.clear()
  }

  async #has({ logId, seq, mark }: FeedPosition): Promise<boolean> {
    const { log, logId: current } = this.#options
    return toHex(logId) === toHex(current()) && (await log.has(seq, mark))
  }

  #join(follower: Follower): void {
    const { principal, address } = follower.channel
    const others = [...this.#table.of(principal)]
    const elsewhere = others.find(({ channel }) => channel.address !== address)
    if (others.length >= FOLLOWERS.OF_PRINCIPAL)
      others[0]?.channel.end('closed to make room for another of its principal')
    this.#table.add(follower)
    this.#waits.joined(follower)
    this.#followers += 1
    if (this.#followers === 1) this.#startChecking()
    if (elsewhere !== undefined) {
      this.#onDoubled({ principal, addresses: [elsewhere.channel.address, address] })
    }
  }

  #hear(follower: Follower): void {
    follower.heardAt = this.#options.time.monotonic()
  }

  #wake(follower: Follower): void {
    this.#ready.add(follower)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  /** Serves some followers in each turn of the event loop, so that others are answered between. */
  #turn(): void {
    this.#isScheduled = false
    if (this.#hasNews) for (const follower of this.#table.connected()) this.#ready.add(follower)
    this.#hasNews = false
    let left = FEED.TURN
    for (const follower of this.#ready) {
      if (left-- === 0) break
      this.#ready.delete(follower)
      follower.advance()
    }
    if (this.#ready.size > 0) this.#schedule()
  }

  #startChecking(): void {
    this.#stopChecking = runEvery(inBackground(this.#options.timers), FEED.STUCK / 2, () => {
      for (const follower of [...this.#table.connected()]) {
        if (follower.isStuck(FEED.STUCK)) follower.channel.end('it does not read what it follows')
      }
    })
  }
}

export interface Following {
  /** How many are connected. */
  readonly followers: number
  /** The most entries that one of them has not said it applied. */
  readonly behind: number
  /** The longest that one of them has not called, milliseconds. */
  readonly silentFor: number
}

export interface FollowerRows {
  readonly rows: readonly FollowerRow[]
  /** For how long the table has been kept, milliseconds. */
  readonly keptFor: number
}
