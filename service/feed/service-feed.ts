import type { Fraction } from '../../shared/crypto/fraction.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { RevocationEntry } from '../../shared/revocation/entry.js'
import type { LogState } from '../../shared/revocation/feed.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import { type Clock, MINUTE, nowBy, type Reading } from '../../shared/time.js'
import { inBackground, type Timers } from '../../shared/timers.js'
import type { ServiceKeys } from '../keys.js'
import type { Report } from '../report/events.js'
import type { Revocation, Watched } from '../request/revocation.js'
import type { FeedState } from '../request/state.js'
import { LogCursor } from './cursor.js'
import { revoked, tooMany, tooOld } from './feed-refusals.js'
import { FeedWarnings } from './feed-warnings.js'
import { Follower } from './follower.js'
import { Freshness } from './freshness.js'
import { InFlight } from './in-flight.js'
import { LogChanges } from './log-changes.js'
import { RevokedSet } from './revoked-set.js'
import type { SavedFeed } from './saved-feed.js'
import { restoreFeed, savedFeed } from './saved-state.js'
import type { FeedTarget, OpenFeed } from './session.js'

/** How old a feed may be unless its service's owner or the realm says otherwise, milliseconds. */
const MAX_STALENESS = 10 * MINUTE

export interface ServiceFeedOptions {
  readonly service: Principal
  readonly keys: ServiceKeys
  readonly open: OpenFeed
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly report: Report
  /** How old the feed may be, milliseconds; undefined for 10 minutes, or longer if the realm is set to survive more. */
  readonly maxStaleness: number | undefined
  /** How many entries are held. */
  readonly maxRevocations: number
  /** Accepts without an answer of the KDC for as long as `maxStaleness`. */
  readonly startWithoutFeed: boolean
  /** What an orderly end left. */
  readonly saved: SavedFeed | undefined
  /** Whether there are several KDCs. Default false. */
  readonly hasSeveral?: boolean
  /** Called when a channel is over, or could not be opened. */
  readonly onLost?: (cause: unknown) => void
  /** Keys of this service up to this kvno were revoked, and some of them were in use until now. */
  readonly onKeyRevoked?: (kvno: number) => void
  /** The service's own key is due to change. */
  readonly onRotate?: () => void
}

/** What a service knows of revocations (docs/protocol.md section 10), and how it refuses by it. */
export class ServiceFeed implements Revocation, FeedTarget {
  readonly cursor: LogCursor
  readonly #options: ServiceFeedOptions
  readonly #revoked: RevokedSet
  readonly #freshness: Freshness
  readonly #inFlight: InFlight
  readonly #follower: Follower
  readonly #logs = new LogChanges()
  readonly #warnings: FeedWarnings
  /** When the last answered question was sent, by the wall clock, whichever process sent it. */
  #lastAnswered: number | undefined
  /** For how long the realm says that the service is to go on without a KDC, milliseconds; 0 if it does not. */
  #outage = 0
  #isConnected = false
  #isFull = false

  /** Begins to follow at once, and does not keep the process alive for it. */
  constructor(options: ServiceFeedOptions) {
    const { clock, timers, saved, maxRevocations, startWithoutFeed } = options
    // What was saved is taken over here, and may be large.
    this.#options = { ...options, saved: undefined }
    this.#warnings = new FeedWarnings(options.report)
    this.#revoked = new RevokedSet(maxRevocations)
    this.#freshness = new Freshness(clock)
    this.#inFlight = new InFlight({
      faultOf: ticket => this.#faultOf(ticket, nowBy(clock)),
      left: () => this.#maxStaleness - this.#freshness.age(nowBy(clock)),
      timers: inBackground(timers),
    })
    const restored = saved && restoreFeed(saved, this.#revoked, clock)
    this.cursor = new LogCursor(restored?.position ?? null)
    if (this.#revoked.lastKvno > 0) this.#dropKeys()
    const begin = startWithoutFeed ? nowBy(clock) : restored?.sent
    if (begin !== undefined) this.#freshness.begin(begin)
    this.#lastAnswered = restored?.sent?.wall
    this.#outage = restored?.outage ?? 0
    this.#follower = new Follower({
      ...options,
      target: this,
      hasSeveral: options.hasSeveral ?? false,
      timers: inBackground(timers),
      onLost: cause => this.#lost(cause),
    })
  }

  get state(): FeedState {
    const age = this.#freshness.age(nowBy(this.#options.clock))
    return {
      connected: this.#isConnected,
      age: Number.isFinite(age) ? age : undefined,
      stale: age > this.#maxStaleness,
      full: this.#isFull,
      revocations: this.#revoked.size,
      kdcTimeOffset: this.#freshness.offset,
    }
  }

  /** Follows no longer. @returns what the next start needs, if there is anything */
  close(): SavedFeed | undefined {
    this.#isConnected = false
    this.#follower.close()
    const sent = this.#lastAnswered
    if (sent === undefined || this.#isFull) return undefined
    return savedFeed(this.#options.service, { sent, outage: this.#outage }, this.cursor, this.#revoked)
  }

  endClock(now: Reading): number {
    return Math.max(now.wall, this.#freshness.kdcTime(now) ?? now.wall)
  }

  requireValid(ticket: OpenedTicket, now: Reading): void {
    const fault = this.#faultOf(ticket, now)
    if (fault !== undefined) throw fault
  }

  watch(watched: Watched): void {
    this.#inFlight.watch(watched)
  }

  forget(watched: Watched): void {
    this.#inFlight.forget(watched)
  }

  /** @throws OrthrusError `realm_mismatch` if KDCs with different data take turns */
  begun({ logId, oldest }: LogState): void {
    if (this.#options.hasSeveral === true && this.#logs.follow(logId))
      this.#warnings.tell({ kind: 'feed_log_changed' })
    this.#revoked.dropBelow(logId, oldest)
  }

  apply(logId: Uint8Array, entry: RevocationEntry): void {
    if (entry.kind === 'key') this.#applyKey(entry.principal, entry.by)
    else if (!this.#revoked.add(logId, entry)) throw this.#overflow()
    if (this.#revoked.isHalfFull) this.#warnings.halfFull(this.#revoked.size)
    this.#inFlight.look()
  }

  alive({ logId, oldest, time }: LogState, sent: Reading): void {
    const { clock } = this.#options
    this.#freshness.answered(sent, time)
    this.#lastAnswered = sent.wall
    this.#isFull = false
    this.#revoked.dropBelow(logId, oldest)
    this.#revoked.dropOthers(logId, Math.min(clock.now(), time))
    this.#warnings.fresh()
    if (this.#isConnected) return
    this.#isConnected = true
    this.#warnings.connected(this.#revoked.size)
  }

  survive(outage: number): void {
    this.#outage = outage
    // It may be shorter than before.
    this.#inFlight.look()
  }

  rotate(): void {
    this.#options.onRotate?.()
  }

  get #maxStaleness(): number {
    return this.#options.maxStaleness ?? Math.max(MAX_STALENESS, this.#outage)
  }

  /** Why the ticket is not accepted. What goes on under it ends for the same reasons. */
  #faultOf(ticket: OpenedTicket, now: Reading): OrthrusError | undefined {
    const { maxRevocations } = this.#options
    if (this.#revoked.has(ticket)) return revoked(ticket)
    if (this.#isFull) return tooMany(maxRevocations)
    const age = this.#freshness.age(now)
    if (age <= this.#maxStaleness) return undefined
    this.#warnings.stale(age)
    return tooOld(age)
  }

  /** The KDC names the owner of a key only to the owner itself. */
  #applyKey(owner: Principal | null, kvno: number): void {
    if (owner !== this.#options.service || kvno <= this.#revoked.lastKvno) return
    this.#revoked.revokeKey(kvno)
    this.#dropKeys()
  }

  #dropKeys(): void {
    const { keys, onKeyRevoked } = this.#options
    const kvno = this.#revoked.lastKvno
    const dropped = keys.kvnos.filter(known => known <= kvno)
    for (const known of dropped) keys.drop(known)
    if (dropped.length === 0) return
    this.#warnings.tell({ kind: 'key_revoked', kvnos: dropped, left: keys.kvnos })
    onKeyRevoked?.(kvno)
  }

  /** The entry stays unapplied, and is asked for again until there is room for it. */
  #overflow(): OrthrusError {
    const { maxRevocations } = this.#options
    if (!this.#isFull) this.#warnings.tell({ kind: 'feed_full', revocations: maxRevocations })
    this.#isFull = true
    this.#inFlight.look()
    return tooMany(maxRevocations)
  }

  #lost(err: unknown): void {
    this.#options.onLost?.(err)
    const wasConnected = this.#isConnected
    this.#isConnected = false
    this.#warnings.lost(err, wasConnected)
  }
}
