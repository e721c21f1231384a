import type { Fraction } from '../../shared/crypto/fraction.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { Clock } from '../../shared/time.js'
import { inBackground, type Timers } from '../../shared/timers.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import type { KdcLink, LinkStream, Sign, StreamEvents } from './link.js'
import { combine, isOtherVersion, silent } from './link-failure.js'
import { KdcLinks } from './links.js'
import { Openers } from './openers.js'
import { Outage } from './outage.js'
import { KdcPresence } from './presence.js'
import { KdcSearch } from './search.js'
import type { OpenSocket } from './socket.js'
import { type Answer, type Waiting, WaitingCalls } from './waiting.js'

/** One id of the connection, in use until `end` is called. */
export interface KdcStream extends LinkStream {
  /** The URL of the KDC that it goes to, for people. */
  readonly kdc: string
  /** Gives up the connection that it goes over, as `KdcConnection.leave` does. */
  leave(cause: unknown): void
}

export interface KdcConnectionOptions {
  /** If one cannot be reached, the next is tried. None where only a credential is used, which needs no KDC. */
  readonly urls: readonly string[]
  readonly openSocket: OpenSocket
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly logger: Logger
  readonly telemetry: Pick<ClientTelemetry, 'report'>
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number; readonly exchange: number; readonly silence: number }
  /** Whether an idle connection keeps the process alive. */
  readonly keepProcessAlive: boolean
}

/**
 * Reaches the KDCs of a realm over one connection at a time. A KDC that shows no sign of life for a second is given up:
 * calls then fail at once, while one that answers is looked for.
 */
export class KdcConnection {
  readonly #options: KdcConnectionOptions
  readonly #search: KdcSearch
  readonly #links: KdcLinks
  readonly #waiting: WaitingCalls
  readonly #openers: Openers
  readonly #outage: Outage
  readonly #presence: KdcPresence
  #closed: OrthrusError | undefined

  constructor(options: KdcConnectionOptions) {
    const { timers, timeouts } = options
    this.#options = options
    this.#openers = new Openers(timers)
    this.#outage = new Outage(options)
    this.#presence = new KdcPresence(options.telemetry.report)
    this.#links = new KdcLinks({
      ...options,
      heard: (link, sign) => this.#heard(link, sign),
      lost: (link, cause, isLast) => {
        this.#left(link, cause)
        if (isLast && this.kdcs === 1) this.#lost(cause)
      },
    })
    this.#waiting = new WaitingCalls({
      ...options,
      lastHeard: links => this.#links.lastHeard(links),
      ping: tick => this.#links.ping(tick),
      search: () => this.#search.start(),
      silent: (waiting, within, ends) => this.#giveUp(waiting, within, ends),
      tooLate: within => this.#silence(within),
    })
    this.#search = new KdcSearch({
      ...options,
      timers: inBackground(timers),
      step: timeouts.silence / 2 / Math.max(1, options.urls.length - 1),
      open: url => this.#links.open(url),
      opened: link => this.#opened(link),
      failed: cause => this.#notFound(cause),
      isWanted: () => this.#isWanted(),
    })
  }

  /** The KDCs that it knows. */
  get urls(): readonly string[] {
    return this.#options.urls
  }

  /** How many KDCs it knows. */
  get kdcs(): number {
    return this.#options.urls.length
  }

  /** Whether requests can be sent at once. */
  get isConnected(): boolean {
    return this.#links.usable.size > 0
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
  async exchange(message: Uint8Array): Promise<Answer> {
    this.#requireOpen()
    this.#outage.requireNone(message)
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.add({ message, resolve, reject })
      for (const link of this.#links.usable) this.#waiting.ask(waiting, link)
      if (waiting.streams.size === 0) this.#search.start()
    })
  }

  /**
   * Opens a stream under its own id, for a series of messages.
   * @param isInBackground whether the process may end while it is open
   * @throws OrthrusError `unavailable`
   */
  async openStream(events: StreamEvents, isInBackground = false): Promise<KdcStream> {
    this.#requireOpen()
    this.#outage.requireNone()
    const link = await this.#reach(this.#options.timeouts.silence)
    let waiting: Waiting | undefined
    const over = (): void => {
      if (waiting !== undefined) this.#waiting.end(waiting)
      waiting = undefined
    }
    const received = (message: Uint8Array): void => {
      over()
      events.received(message)
    }
    const closed = (cause: OrthrusError): void => {
      over()
      events.closed(cause)
    }
    const stream = link.openStream({ received, closed }, isInBackground)
    return {
      kdc: link.url,
      send: message => {
        // Without pings, only the time limit of the call itself tells a slow answer from none.
        if (link.canPing && waiting === undefined) {
          waiting = this.#waiting.add({ resolve: () => {}, reject: () => {} })
          waiting.streams.set(link, { ...stream, end: () => {} })
        }
        stream.send(message)
      },
      end: () => {
        over()
        stream.end()
      },
      leave: cause => this.leave(cause, link),
    }
  }

  /**
   * Gives up the connection, which closes once nothing is awaited on it. The next request goes to the next KDC.
   * @param only leaves another one as it is
   */
  leave(cause: unknown, only?: KdcLink): void {
    for (const link of this.#links.usable) {
      if (only !== undefined && link !== only) continue
      this.#left(link, cause)
      this.#links.leave(link)
    }
  }

  /** Closes all connections and rejects pending requests with the cause. */
  close(cause: OrthrusError): void {
    if (this.#closed !== undefined) return
    this.#closed = cause
    this.#search.close()
    this.#openers.reject(cause)
    this.#waiting.rejectAll(cause, 'all')
    this.#links.close(cause)
  }

  /** @throws OrthrusError */
  #requireOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  /** @param within how long it may take, milliseconds */
  async #reach(within: number): Promise<KdcLink> {
    this.#requireOpen()
    const [link] = this.#links.usable
    if (link !== undefined && !this.#outage.isOn) return link
    const reached = this.#openers.wait(within, () => this.#search.failure ?? this.#silence(within))
    this.#search.start()
    return reached
  }

  /** The error for silence at every URL. @param within for how long, milliseconds */
  #silence(within: number): OrthrusError {
    return combine(this.#options.urls.map(url => silent(url, within)))
  }

  #isWanted(): boolean {
    const { size } = this.#links.usable
    if (this.#openers.size > 0) return true
    if (this.#waiting.isInDoubt && size <= this.#options.urls.length) return true
    if (this.#outage.isOfInterest) return true
    return size === 0 && this.#waiting.size > 0
  }

  /** @param within how long it has waited, milliseconds */
  #giveUp(waiting: Waiting, within: number, ends: Sign): void {
    const links = [...waiting.streams.keys()]
    const urls = new Set(links.length > 0 ? links.map(({ url }) => url) : this.#options.urls)
    const unheard = combine([...urls].map(url => silent(url, within)))
    const failure = links.length > 0 ? unheard : (this.#search.failure ?? unheard)
    this.#waiting.end(waiting)
    for (const link of links) link.close(failure)
    const isSilent = links.length > 0 || this.#search.isAttempting
    if (isSilent && this.#links.usable.size === 0) {
      this.#outage.begin(failure, ends, waiting.message)
      this.#lost(failure)
      this.#search.start()
    }
    waiting.reject(failure)
  }

  /** Every URL has failed, so no KDC is silent. Calls wait for the next attempt, which is soon and fails at once. */
  #notFound(cause: OrthrusError): void {
    if (this.#links.usable.size > 0) return
    if (isOtherVersion(cause)) this.#options.logger.warn({ cause }, 'no KDC of this version can be reached')
    this.#outage.end()
    this.#lost(cause)
    this.#waiting.rejectAll(cause, 'unasked')
    this.#openers.reject(cause)
  }

  /** Another KDC is asked from now on, if there is one. */
  #left(link: KdcLink, cause: unknown): void {
    if (this.#closed === undefined && this.kdcs > 1) this.#presence.left(link.url, cause)
  }

  /** Its own end is no loss. */
  #lost(cause: OrthrusError): void {
    if (this.#closed === undefined) this.#presence.lost(cause)
  }

  /** A link is open. That a KDC lives behind it is known once it is heard, unless nothing was asked that it could answer. */
  #opened(link: KdcLink): void {
    if (!link.usable) return
    this.#links.add(link)
    this.#waiting.askAll(link)
    if (!this.#outage.isOn && !this.#waiting.isInDoubt) {
      this.#use(link)
      return
    }
    const { message } = this.#outage
    if (message !== undefined && this.#waiting.size === 0) this.#links.probe(link, message)
    link.ping()
    if (!link.canPing || (this.#outage.isOn && message === undefined)) this.#heard(link, 'pong')
  }

  #heard(link: KdcLink, sign: Sign): void {
    this.#links.note(link, sign, this.#waiting.tick)
    const { usable } = this.#links
    if (!usable.has(link)) return
    if (!this.#outage.isOn && usable.size === 1 && !this.#waiting.isInDoubt) return
    const isEnough = sign === 'answer' || !(this.#outage.needsAnswer || this.#waiting.lacksAnswer)
    if (isEnough) this.#use(link)
  }

  /** Uses this link, and gives up the others. */
  #use(link: KdcLink): void {
    for (const other of this.#links.usable) {
      if (other.url !== link.url) this.#left(other, silent(other.url, this.#options.timeouts.silence / 2))
    }
    this.#outage.end()
    this.#waiting.endDoubt()
    this.#links.keepOnly(link)
    this.#presence.found(link.url)
    this.#openers.resolve(link)
    this.#search.found(link)
  }
}
