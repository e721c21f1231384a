import type { OrthrusError } from '../../shared/errors.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { type Span, startSpan } from './kdc-clock.js'
import type { KdcLink, LinkStream, Sign } from './link.js'
import type { Heard } from './links.js'
import { Ticker } from './ticker.js'

/** Tuning: the ticks of the silence after which a KDC is given up. After half of them another connection is tried too. */
const SILENT = 8
/**
 * Tuning: the ticks after which another connection is tried where a KDC shows signs of life and answers nothing, as one does
 * that waits for its store. Another KDC is to answer within the silence.
 */
const UNANSWERED = { ONE: SILENT, SEVERAL: SILENT - 2 } as const
/** Tuning: a message is not waited for longer than this times `timeouts.exchange`, though others are answered. */
const EXCHANGES_MAX = 10

/** An answer, with the times when the request was sent and the answer came. */
export interface Exchanged extends Span {
  readonly bytes: Uint8Array
  /** The URL of the KDC that answered, or in whose place somebody did. For people. */
  readonly kdc: string
}

/** An answer, and the link that it came over. */
export interface Answer extends Exchanged {
  readonly link: KdcLink
}

/** What waits for a sign of life. */
export interface Waiting {
  /** The tick from which it has waited. */
  readonly since: number
  /** Where it was asked. */
  readonly streams: Map<KdcLink, LinkStream>
  /** Set for an exchange, which may be asked over any connection. */
  readonly message?: Uint8Array
  /** How often the last connection was lost before an answer came. */
  losses: number
  resolve(answer: Answer): void
  reject(cause: OrthrusError): void
}

export interface WaitingOptions {
  /** A message is given up when its connection was lost once more than there are KDCs. */
  readonly urls: readonly string[]
  readonly clock: Clock
  readonly timers: Timers
  /** Milliseconds. */
  readonly timeouts: { readonly exchange: number; readonly silence: number }
  lastHeard(links: Iterable<KdcLink>): Heard
  /** Asks the links that were not heard in this tick for a sign of life. */
  ping(tick: number): void
  /** Looks for another link, unless that has begun. */
  search(): void
  /**
   * Called when there was no sign of life for too long.
   * @param within how long, milliseconds
   * @param ends what would end the silence
   */
  silent(waiting: Waiting, within: number, ends: Sign): void
  /** Why a message whose KDC answers others only was given up. @param within how long it has waited, milliseconds */
  tooLate(within: number): OrthrusError
}

/** What waits for the KDC, and how long there has been no sign of life. */
export class WaitingCalls {
  readonly #options: WaitingOptions
  readonly #ticker: Ticker
  readonly #all = new Set<Waiting>()
  /** Whether something waits that a link was heard for too long without an answer. */
  #lacksAnswer = false
  #isInDoubt = false

  constructor(options: WaitingOptions) {
    const { timers, timeouts } = options
    this.#options = options
    this.#ticker = new Ticker(timers, timeouts.silence / SILENT, () => this.#tick())
  }

  get size(): number {
    return this.#all.size
  }

  /** Whether something has waited for so long that another link is tried too. */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /** Whether a pong does not end the doubt, since pongs come and answers do not. */
  get lacksAnswer(): boolean {
    return this.#lacksAnswer
  }

  /** The present tick. */
  get tick(): number {
    return this.#ticker.count
  }

  add(outcome: Pick<Waiting, 'message' | 'resolve' | 'reject'>): Waiting {
    const waiting: Waiting = { ...outcome, since: this.#ticker.next, streams: new Map(), losses: 0 }
    this.#all.add(waiting)
    this.#ticker.start()
    return waiting
  }

  end(waiting: Waiting): void {
    if (!this.#all.delete(waiting)) return
    for (const stream of [...waiting.streams.values()]) stream.end()
    if (this.#all.size > 0) return
    this.endDoubt()
    this.#ticker.stop()
  }

  reject(waiting: Waiting, cause: OrthrusError): void {
    this.end(waiting)
    waiting.reject(cause)
  }

  /** Rejects all, or those that were asked nowhere. */
  rejectAll(cause: OrthrusError, which: 'all' | 'unasked'): void {
    for (const waiting of [...this.#all]) {
      if (which === 'all' || waiting.streams.size === 0) this.reject(waiting, cause)
    }
  }

  /** A KDC has shown a sign of life. */
  endDoubt(): void {
    this.#isInDoubt = false
    this.#lacksAnswer = false
  }

  /** Asks everything that waits over this link too. */
  askAll(link: KdcLink): void {
    for (const waiting of [...this.#all]) this.ask(waiting, link)
  }

  /** Asks over this link, unless that was done. The first answer counts. */
  ask(waiting: Waiting, link: KdcLink): void {
    const { urls } = this.#options
    const { message } = waiting
    if (message === undefined || waiting.streams.has(link)) return
    const stream = link.openStream({
      received: bytes => {
        const span = endSpan()
        this.end(waiting)
        waiting.resolve({ bytes, link, kdc: link.url, ...span })
      },
      closed: cause => {
        waiting.streams.delete(link)
        if (waiting.streams.size > 0 || !this.#all.has(waiting)) return
        if (waiting.losses++ >= urls.length) this.reject(waiting, cause)
        else this.#options.search()
      },
    })
    waiting.streams.set(link, stream)
    const endSpan = startSpan(this.#options.clock)
    stream.send(message)
  }

  #tick(): void {
    const { ping, search } = this.#options
    this.endDoubt()
    for (const waiting of [...this.#all]) this.#judge(waiting)
    if (this.tick % 2 === 0) ping(this.tick)
    if (this.#isInDoubt) search()
  }

  #judge(waiting: Waiting): void {
    const { urls, timeouts, silent, tooLate } = this.#options
    const { exchange, silence } = timeouts
    const limit = Math.ceil((Math.max(exchange, silence) / silence) * SILENT)
    const isExchange = waiting.message !== undefined
    const { quiet, unanswered } = this.#patienceWith(waiting)
    if (quiet >= SILENT) silent(waiting, silence, 'pong')
    else if (isExchange && unanswered >= limit) silent(waiting, exchange, 'answer')
    else if (isExchange && this.tick - waiting.since >= limit * EXCHANGES_MAX)
      this.reject(waiting, tooLate(exchange * EXCHANGES_MAX))
    else {
      const lacksAnswer = isExchange && unanswered >= (urls.length > 1 ? UNANSWERED.SEVERAL : UNANSWERED.ONE)
      this.#lacksAnswer ||= lacksAnswer
      this.#isInDoubt ||= lacksAnswer || quiet >= SILENT / 2
    }
  }

  /** For how many ticks it has waited without any sign of life, and without an answer to anything on its links. */
  #patienceWith({ since, streams }: Waiting): { readonly quiet: number; readonly unanswered: number } {
    const { any, answer } = this.#options.lastHeard(streams.keys())
    return { quiet: this.tick - Math.max(since, any), unanswered: this.tick - Math.max(since, answer) }
  }
}
