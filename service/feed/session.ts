import type { KdcEvent } from '../../shared/channel/calls.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { malformed, type OrthrusError } from '../../shared/errors.js'
import { decodeEntry, type RevocationEntry } from '../../shared/revocation/entry.js'
import {
  decodeLogState,
  decodeSurvive,
  encodeFollow,
  KDC_EVENT,
  type LogState,
} from '../../shared/revocation/feed.js'
import { type Clock, nowBy, type Reading, SECOND } from '../../shared/time.js'
import { type Cancel, runEvery, type Timers } from '../../shared/timers.js'
import type { LogCursor } from './cursor.js'

/** How often a follower asks whether it has everything, milliseconds (docs/protocol.md section 10). */
const ALIVE_EVERY = 5 * SECOND

/** A channel to `kdc@realm`, as a follower needs it. */
export interface FeedChannel {
  /**
   * @param options.answered called when the answer comes, in its place among the events
   * @throws OrthrusError
   */
  call(
    method: string,
    args: readonly Value[],
    options: { readonly answered: (results: readonly Value[]) => void },
  ): Promise<unknown>
  close(): void
}

export interface FeedEvents {
  readonly onEvent: (event: KdcEvent) => void
  readonly onEnd: (cause: OrthrusError) => void
}

/** Opens a channel. @throws OrthrusError */
export type OpenFeed = (events: FeedEvents) => Promise<FeedChannel>

/** What is kept between channels. */
export interface FeedTarget {
  readonly cursor: LogCursor
  /** The log that the channel follows, and what it still has. */
  begun(state: LogState): void
  /** @throws OrthrusError `unavailable` if it cannot be kept. Then it does not count as applied */
  apply(logId: Uint8Array, entry: RevocationEntry): void
  /** Everything up to now was applied. @param sent when the question was sent */
  alive(state: LogState, sent: Reading): void
  /** The service's own key is due to change. */
  rotate(): void
  /** For how long the service is to go on without a KDC, milliseconds; 0 for as long as it would by itself. */
  survive(outage: number): void
}

export interface FeedSessionOptions {
  readonly open: OpenFeed
  readonly target: FeedTarget
  readonly clock: Clock
  readonly timers: Timers
}

/** Follows the log over one channel. */
export class FeedSession {
  /** Resolves when the channel is over, with the reason. */
  readonly over: Promise<unknown>
  readonly #options: FeedSessionOptions
  readonly #settle: (cause: unknown) => void
  #channel: FeedChannel | undefined
  #logId: Uint8Array | undefined
  #isOver = false
  #wasAlive = false
  #isAsking = false
  #isSaying = false
  /** Whether this KDC has told how long an outage is to be survived. It tells it before its first answer to `alive`. */
  #hasTold = false
  #said: number | undefined
  #cancel: Cancel = () => {}

  constructor(options: FeedSessionOptions) {
    let settle: (cause: unknown) => void = () => {}
    this.over = new Promise(resolve => {
      settle = resolve
    })
    this.#settle = settle
    this.#options = options
    this.#start().catch(cause => this.end(cause))
  }

  /** Whether the KDC has said that the follower has everything. */
  get wasAlive(): boolean {
    return this.#wasAlive
  }

  /** Ends the channel. */
  end(cause: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancel()
    this.#channel?.close()
    this.#settle(cause)
  }

  async #start(): Promise<void> {
    const { open, timers, target } = this.#options
    const channel = await open({
      onEvent: event => this.#guard(() => this.#receive(event)),
      onEnd: cause => this.end(cause),
    })
    this.#channel = channel
    if (this.#isOver) {
      channel.close()
      return
    }
    this.#call('follow', encodeFollow(target.cursor.position), results =>
      this.#begin(decodeLogState(results)),
    )
    this.#cancel = runEvery(timers, ALIVE_EVERY, () => this.#ask())
    this.#ask()
  }

  #begin(state: LogState): void {
    const { target } = this.#options
    target.cursor.begin(state)
    this.#logId = state.logId
    target.begun(state)
  }

  #receive({ name, fields }: KdcEvent): void {
    if (name === KDC_EVENT.ENTRY) this.#apply(decodeEntry(fields))
    else if (name === KDC_EVENT.ROTATE) this.#options.target.rotate()
    else if (name === KDC_EVENT.SURVIVE) this.#survive(decodeSurvive(fields))
    else throw malformed('an event of an unknown name')
  }

  #survive(outage: number): void {
    this.#hasTold = true
    this.#options.target.survive(outage)
  }

  #apply(entry: RevocationEntry): void {
    const { target } = this.#options
    if (this.#logId === undefined) throw malformed('an entry before the answer to follow')
    target.cursor.requireNext(entry)
    target.apply(this.#logId, entry)
    target.cursor.advance(entry)
    this.#saySeen()
  }

  /** One question at a time: the next is asked only when this one was answered. */
  #ask(): void {
    if (this.#isAsking || this.#isOver) return
    this.#isAsking = true
    const { clock, target } = this.#options
    const sent = nowBy(clock)
    this.#call('alive', [], results => {
      const state = decodeLogState(results)
      target.cursor.requireCaughtUp(state)
      this.#isAsking = false
      this.#wasAlive = true
      target.alive(state, sent)
      if (!this.#hasTold) this.#survive(0)
      this.#saySeen()
    })
  }

  /** Tells the KDC what this service refuses by now. While one answer is awaited, the next one can wait. */
  #saySeen(): void {
    const { seen } = this.#options.target.cursor
    if (seen === undefined || seen === this.#said || this.#isSaying || this.#isOver) return
    this.#isSaying = true
    this.#call('seen', [seen], () => {
      this.#isSaying = false
      this.#said = seen
      this.#saySeen()
    })
  }

  #call(method: string, args: readonly Value[], take: (results: readonly Value[]) => void): void {
    const answered = (results: readonly Value[]): void => this.#guard(() => take(results))
    this.#channel?.call(method, args, { answered }).catch(cause => this.end(cause))
  }

  /** After whatever goes wrong here nothing is certain but what was applied before. */
  #guard(run: () => void): void {
    if (this.#isOver) return
    try {
      run()
    } catch (cause) {
      this.end(cause)
    }
  }
}
