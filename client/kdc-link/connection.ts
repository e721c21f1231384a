import type { Fraction } from '../../shared/crypto/fraction.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import { type Clock, MINUTE } from '../../shared/time.js'
import { inBackground, type Timers } from '../../shared/timers.js'
import { KdcLink, type LinkStream, type Sign, type StreamEvents } from './failover.js'
import { type Span, startSpan } from './kdc-clock.js'
import { combine, isOtherVersion, silent } from './link-failure.js'
import { KdcSearch } from './search.js'
import type { OpenSocket } from './socket.js'
import { Ticker } from './ticker.js'

/** Tuning: the ticks of the silence after which a KDC is given up. After half of them another connection is tried too. */
const SILENT = 8
/** Tuning: a message is not waited for longer than this times `timeouts.exchange`, though others are answered. */
const EXCHANGES_MAX = 10
/** Tuning: how long a KDC that is away is looked for after the last call, milliseconds. The next call looks again. */
const SEARCH_MAX = MINUTE

export interface KdcConnectionOptions {
  /** At least one URL. If one cannot be reached, the next is tried. */
  readonly urls: readonly string[]
  readonly openSocket: OpenSocket
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly logger: Logger
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number; readonly exchange: number; readonly silence: number }
  /** Whether an idle connection keeps the process alive. */
  readonly keepProcessAlive: boolean
}

/** An answer, with the times when the request was sent and the answer came. */
export interface Exchanged extends Span {
  readonly bytes: Uint8Array
}

/** What waits for a sign of life. */
interface Waiting {
  /** The tick from which it has waited. */
  readonly since: number
  /** Where it was asked. */
  readonly streams: Map<KdcLink, LinkStream>
  /** Set for an exchange, which may be asked over any connection. */
  readonly message?: Uint8Array
  /** How many times the last connection was lost before an answer came. */
  losses: number
  resolve(answer: Exchanged): void
  reject(cause: OrthrusError): void
}

/** What is waited for until a KDC is reached. */
interface Opener {
  resolve(link: KdcLink): void
  reject(cause: OrthrusError): void
}

/** No KDC shows a sign of life. Until one does, calls fail at once. */
interface Outage {
  readonly failure: OrthrusError
  /** What ends it. A pong is not enough from a KDC that answered pings and nothing else. */
  readonly ends: Sign
  /** The latest message that was not answered. It is sent again to find out whether a KDC answers: this does no harm. */
  message: Uint8Array | undefined
  /** When the last call was made, on the monotonic clock. */
  calledAt: number
}

/** The last ticks at which a link was heard and answered. */
interface Heard {
  any: number
  answer: number
}

/**
 * Reaches the KDCs of a realm over one connection at a time. A KDC that shows no sign of life for a second is given up:
 * calls then fail at once, while one that answers is looked for.
 */
export class KdcConnection {
  readonly #options: KdcConnectionOptions
  readonly #search: KdcSearch
  readonly #ticker: Ticker
  /** All links, also those that are being opened or were given up. */
  readonly #links = new Map<KdcLink, Heard>()
  /** The links that requests are sent over: one, and while that is in doubt others beside it. */
  readonly #usable = new Set<KdcLink>()
  readonly #waiting = new Set<Waiting>()
  readonly #openers = new Set<Opener>()
  #outage: Outage | undefined
  /** Whether something waits that a link was heard for too long without an answer. */
  #lacksAnswer = false
  #isInDoubt = false
  #closed: OrthrusError | undefined

  constructor(options: KdcConnectionOptions) {
    const { timers, timeouts } = options
    this.#options = options
    this.#ticker = new Ticker(timers, timeouts.silence / SILENT, () => this.#tick())
    this.#search = new KdcSearch({
      ...options,
      timers: inBackground(timers),
      step: timeouts.silence / 2,
      open: url => this.#openLink(url),
      opened: link => this.#opened(link),
      failed: cause => this.#notFound(cause),
      isWanted: () => this.#isWanted(),
    })
  }

  /** Resolves when a KDC is reached. @throws OrthrusError `unavailable` */
  async open(): Promise<void> {
    await this.#reach(this.#options.timeouts.connect)
  }

  /**
   * Sends one message. @returns the answer to it. If the KDC is silent, the message is also sent over another connection,
   * to the next KDC if there is one, and the first answer is used. Asking a KDC the same thing twice does no harm.
   * @throws OrthrusError `unavailable`, at once while no KDC shows a sign of life
   */
  async exchange(message: Uint8Array): Promise<Exchanged> {
    this.#requireNoOutage(message)
    return new Promise((resolve, reject) => {
      const waiting: Waiting = this.#wait({ message, resolve, reject })
      for (const link of this.#usable) this.#ask(waiting, link)
      if (waiting.streams.size === 0) this.#search.start()
    })
  }

  /** Opens a stream under its own id, for a series of messages. @throws OrthrusError `unavailable` */
  async openStream(events: StreamEvents): Promise<LinkStream> {
    this.#requireNoOutage()
    const link = await this.#reach(this.#options.timeouts.silence)
    let waiting: Waiting | undefined
    const over = (): void => {
      if (waiting !== undefined) this.#end(waiting)
      waiting = undefined
    }
    const stream = link.openStream({
      received: message => {
        over()
        events.received(message)
      },
      closed: cause => {
        over()
        events.closed(cause)
      },
    })
    return {
      send: message => {
        // Without pings, only the time limit of the call itself tells a slow answer from none.
        if (link.canPing && waiting === undefined) {
          waiting = this.#wait({ resolve: () => {}, reject: () => {} })
          waiting.streams.set(link, { ...stream, end: () => {} })
        }
        stream.send(message)
      },
      end: () => {
        over()
        stream.end()
      },
    }
  }

  /** Closes all connections and rejects pending requests with the cause. */
  close(cause: OrthrusError): void {
    if (this.#closed !== undefined) return
    this.#closed = cause
    this.#search.close()
    this.#settleOpeners(opener => opener.reject(cause))
    for (const waiting of [...this.#waiting]) this.#reject(waiting, cause)
    for (const link of [...this.#links.keys()]) link.close(cause)
  }

  /** @param within how long it may take, milliseconds */
  async #reach(within: number): Promise<KdcLink> {
    if (this.#closed !== undefined) throw this.#closed
    const [link] = this.#usable
    if (link !== undefined && this.#outage === undefined) return link
    const { timers, urls } = this.#options
    return new Promise((resolve, reject) => {
      const over = (): void => {
        timers.clearTimeout(timer)
        this.#openers.delete(opener)
      }
      const opener: Opener = {
        resolve: found => {
          over()
          resolve(found)
        },
        reject: cause => {
          over()
          reject(cause)
        },
      }
      this.#openers.add(opener)
      this.#search.start()
      const timer = timers.setTimeout(() => {
        opener.reject(this.#search.failure ?? combine(urls.map(url => silent(url, within))))
      }, within)
    })
  }

  /** @throws OrthrusError */
  #requireNoOutage(message?: Uint8Array): void {
    if (this.#closed !== undefined) throw this.#closed
    const outage = this.#outage
    if (outage === undefined) return
    if (this.#isForgotten(outage)) {
      this.#outage = undefined
      return
    }
    outage.message = message ?? outage.message
    outage.calledAt = this.#options.clock.monotonic()
    throw outage.failure
  }

  #isForgotten({ calledAt }: Outage): boolean {
    return this.#options.clock.monotonic() - calledAt >= SEARCH_MAX
  }

  #isWanted(): boolean {
    if (this.#openers.size > 0) return true
    if (this.#isInDoubt && this.#usable.size <= this.#options.urls.length) return true
    if (this.#outage !== undefined && !this.#isForgotten(this.#outage)) return true
    return this.#usable.size === 0 && this.#waiting.size > 0
  }

  #wait(outcome: Pick<Waiting, 'message' | 'resolve' | 'reject'>): Waiting {
    const waiting: Waiting = { ...outcome, since: this.#ticker.next, streams: new Map(), losses: 0 }
    this.#waiting.add(waiting)
    this.#ticker.start()
    return waiting
  }

  #end(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return
    for (const stream of [...waiting.streams.values()]) stream.end()
    if (this.#waiting.size > 0) return
    this.#isInDoubt = false
    this.#lacksAnswer = false
    this.#ticker.stop()
  }

  #reject(waiting: Waiting, cause: OrthrusError): void {
    this.#end(waiting)
    waiting.reject(cause)
  }

  #ask(waiting: Waiting, link: KdcLink): void {
    const { message } = waiting
    if (message === undefined || waiting.streams.has(link)) return
    const stream = link.openStream({
      received: bytes => {
        const span = endSpan()
        this.#end(waiting)
        waiting.resolve({ bytes, ...span })
      },
      closed: cause => {
        waiting.streams.delete(link)
        if (waiting.streams.size > 0 || !this.#waiting.has(waiting)) return
        if (waiting.losses++ > 0) this.#reject(waiting, cause)
        else this.#search.start()
      },
    })
    waiting.streams.set(link, stream)
    const endSpan = startSpan(this.#options.clock)
    stream.send(message)
  }

  #tick(): void {
    const { exchange, silence } = this.#options.timeouts
    const limit = Math.ceil((Math.max(exchange, silence) / silence) * SILENT)
    this.#isInDoubt = false
    this.#lacksAnswer = false
    for (const waiting of [...this.#waiting]) {
      const { quiet, unanswered } = this.#patienceWith(waiting)
      if (quiet >= SILENT) this.#giveUp(waiting, silence, 'pong')
      else if (waiting.message !== undefined && unanswered >= limit) this.#giveUp(waiting, exchange, 'answer')
      else if (waiting.message !== undefined && this.#ticker.count - waiting.since >= limit * EXCHANGES_MAX)
        this.#reject(waiting, combine(this.#options.urls.map(url => silent(url, exchange * EXCHANGES_MAX))))
      else {
        const lacksAnswer = waiting.message !== undefined && unanswered >= SILENT
        this.#lacksAnswer ||= lacksAnswer
        this.#isInDoubt ||= lacksAnswer || quiet >= SILENT / 2
      }
    }
    if (this.#ticker.count % 2 === 0) this.#ping()
    if (this.#isInDoubt) this.#search.start()
  }

  /** For how many ticks it has waited without any sign of life, and without an answer to anything on its links. */
  #patienceWith({ since, streams }: Waiting): { readonly quiet: number; readonly unanswered: number } {
    const { count } = this.#ticker
    let any = since
    let answer = since
    for (const link of streams.keys()) {
      const heard = this.#links.get(link)
      any = Math.max(any, heard?.any ?? 0)
      answer = Math.max(answer, heard?.answer ?? 0)
    }
    return { quiet: count - any, unanswered: count - answer }
  }

  #ping(): void {
    for (const [link, heard] of this.#links) if (this.#ticker.count - heard.any >= 1) link.ping()
  }

  /** @param within how long it has waited, milliseconds */
  #giveUp(waiting: Waiting, within: number, ends: Sign): void {
    const links = [...waiting.streams.keys()]
    const urls = new Set(links.length > 0 ? links.map(({ url }) => url) : this.#options.urls)
    const unheard = combine([...urls].map(url => silent(url, within)))
    const failure = links.length > 0 ? unheard : (this.#search.failure ?? unheard)
    this.#end(waiting)
    for (const link of links) link.close(failure)
    const isSilent = links.length > 0 || this.#search.isAttempting
    if (isSilent && this.#usable.size === 0) this.#goOut(failure, ends, waiting.message)
    waiting.reject(failure)
  }

  /** Every URL has failed, so no KDC is silent. Calls wait for the next attempt, which is soon and fails at once. */
  #notFound(cause: OrthrusError): void {
    if (this.#usable.size > 0) return
    if (isOtherVersion(cause)) this.#options.logger.warn({ cause }, 'no KDC of this version can be reached')
    this.#outage = undefined
    for (const waiting of [...this.#waiting]) if (waiting.streams.size === 0) this.#reject(waiting, cause)
    this.#settleOpeners(opener => opener.reject(cause))
  }

  #goOut(failure: OrthrusError, ends: Sign, message: Uint8Array | undefined): void {
    const { clock, logger } = this.#options
    const before = this.#outage
    if (before === undefined) logger.debug({ cause: failure }, 'no KDC answers; calls fail until one does')
    this.#outage = {
      failure,
      ends: before?.ends === 'answer' ? before.ends : ends,
      message: message ?? before?.message,
      calledAt: clock.monotonic(),
    }
    this.#search.start()
  }

  #openLink(url: string): KdcLink {
    const { openSocket, timers, timeouts, keepProcessAlive } = this.#options
    const link: KdcLink = new KdcLink({
      url,
      openSocket,
      timers: inBackground(timers),
      timeout: timeouts.connect,
      keepProcessAlive,
      heard: (heard, sign) => this.#heard(heard, sign),
      closed: gone => {
        this.#links.delete(gone)
        this.#usable.delete(gone)
      },
    })
    // A socket may already fail while it is created.
    if (link.usable) this.#links.set(link, { any: 0, answer: 0 })
    return link
  }

  /** A link is open. That a KDC lives behind it is known once it is heard, unless nothing was asked that it could answer. */
  #opened(link: KdcLink): void {
    if (!link.usable) return
    this.#usable.add(link)
    for (const waiting of [...this.#waiting]) this.#ask(waiting, link)
    const isDoubtful = this.#outage !== undefined || this.#isInDoubt
    if (!isDoubtful) {
      this.#use(link)
      return
    }
    const message = this.#outage?.message
    if (message !== undefined && this.#waiting.size === 0) this.#probe(link, message)
    link.ping()
    if (!link.canPing || (this.#outage !== undefined && message === undefined)) this.#heard(link, 'pong')
  }

  /** Sends a message whose answer nobody awaits, to see whether one comes. */
  #probe(link: KdcLink, message: Uint8Array): void {
    const timers = inBackground(this.#options.timers)
    const over = (): void => {
      timers.clearTimeout(timer)
      stream.end()
    }
    const stream = link.openStream({ received: () => over(), closed: () => timers.clearTimeout(timer) })
    const { connect } = this.#options.timeouts
    const timer = timers.setTimeout(() => link.close(silent(link.url, connect)), connect)
    stream.send(message)
  }

  #heard(link: KdcLink, sign: Sign): void {
    const heard = this.#links.get(link)
    if (heard === undefined) return
    heard.any = this.#ticker.count
    if (sign === 'answer') heard.answer = this.#ticker.count
    if (!this.#usable.has(link)) return
    if (this.#outage === undefined && this.#usable.size === 1 && !this.#isInDoubt) return
    const isEnough = sign === 'answer' || (this.#outage?.ends !== 'answer' && !this.#lacksAnswer)
    if (isEnough) this.#use(link)
  }

  /** Uses this link, and gives up the others. */
  #use(link: KdcLink): void {
    this.#outage = undefined
    this.#isInDoubt = false
    this.#lacksAnswer = false
    for (const other of [...this.#usable]) {
      if (other === link) continue
      this.#usable.delete(other)
      other.retire()
    }
    this.#options.logger.debug({ kdc: link.url }, 'connected to the KDC')
    this.#settleOpeners(opener => opener.resolve(link))
    this.#search.found(link)
  }

  #settleOpeners(settle: (opener: Opener) => void): void {
    for (const opener of [...this.#openers]) settle(opener)
  }
}
