import type { Fraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { KdcLink, type LinkStream, type StreamEvents } from './failover.js'
import { type Span, startSpan } from './kdc-clock.js'
import { isOtherVersion, unreachable } from './link-failure.js'
import { RetryPause } from './retry-pause.js'
import type { OpenSocket } from './socket.js'

/** Tuning, not protocol: how long to wait for a KDC before the next one is asked too, milliseconds. */
const PATIENCE = 1_000

export interface KdcConnectionOptions {
  /** At least one URL. If one cannot be reached, the next is tried. */
  readonly urls: readonly string[]
  readonly openSocket: OpenSocket
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly logger: Logger
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number; readonly exchange: number }
  /** Whether an idle connection keeps the process alive. */
  readonly keepProcessAlive: boolean
}

/** A connection that is being opened. */
interface Attempt {
  readonly link: KdcLink
  readonly opened: Promise<KdcLink>
}

/** An answer, with the times when the request was sent and the answer came. */
export interface Exchanged extends Span {
  readonly bytes: Uint8Array
}

/**
 * Reaches the KDCs of a realm over one connection at a time, and makes a new one if it is needed and the old one is
 * gone. A connection that was given up stays open as long as an answer is awaited on it.
 */
export class KdcConnection {
  readonly #options: KdcConnectionOptions
  #link: KdcLink | undefined
  #opening: Promise<KdcLink> | undefined
  /** All open links: the current one, those being opened, and those given up. */
  readonly #links = new Set<KdcLink>()
  #nextUrl = 0
  readonly #pause: RetryPause
  /** Why no KDC answers. Undefined once one is reached. */
  #failure: OrthrusError | undefined
  #closed: OrthrusError | undefined

  constructor(options: KdcConnectionOptions) {
    this.#options = options
    this.#pause = new RetryPause(options)
  }

  /** Resolves when a KDC is reached. @throws OrthrusError `unavailable` */
  async open(): Promise<void> {
    await this.#usableLink()
  }

  /**
   * Sends one message. @returns the answer to it. A silent KDC or a dead connection delays it by one second only: then
   * the message is also sent to the next KDC, or over a new connection, and the first answer is used. Asking a KDC the
   * same thing twice does no harm.
   * @throws OrthrusError `unavailable`
   */
  async exchange(message: Uint8Array): Promise<Exchanged> {
    const link = await this.#usableLink()
    const { exchange } = this.#options.timeouts
    const first = this.#ask(link, message, exchange)
    first.catch(() => {})
    const early = await this.#withinPatience(first.catch(() => undefined))
    if (early !== undefined) return early
    this.#options.logger.debug({ kdc: link.url }, 'asking the KDC again over a new connection')
    this.#leave(link)
    const left = Math.max(PATIENCE, exchange - PATIENCE)
    const second = this.#usableLink().then(other => this.#ask(other, message, left))
    return Promise.race([first.catch(() => second), second])
  }

  /** Opens a stream under its own id, for a series of messages. @throws OrthrusError `unavailable` */
  async openStream(events: StreamEvents): Promise<LinkStream> {
    return (await this.#usableLink()).openStream(events)
  }

  /** Closes all connections and rejects pending requests with the cause. */
  close(cause: OrthrusError): void {
    if (this.#closed !== undefined) return
    this.#closed = cause
    this.#pause.end()
    for (const link of [...this.#links]) link.close(cause)
  }

  /** @param within the longest wait for the answer, milliseconds */
  #ask(link: KdcLink, message: Uint8Array, within: number): Promise<Exchanged> {
    const { clock, timers } = this.#options
    return new Promise((resolve, reject) => {
      const stream = link.openStream({
        received: bytes => {
          const span = endSpan()
          timers.clearTimeout(timer)
          stream.end()
          resolve({ bytes, ...span })
        },
        closed: cause => {
          timers.clearTimeout(timer)
          reject(cause)
        },
      })
      const timer = timers.setTimeout(() => {
        reject(silent(link.url, within))
        this.#leave(link)
        stream.end()
      }, within)
      const endSpan = startSpan(clock)
      stream.send(message)
    })
  }

  /** Gives a link up. The next request uses another connection, and another KDC if there is one. */
  #leave(link: KdcLink): void {
    if (link === this.#link && link.usable) {
      this.#nextUrl++
      this.#failure = silent(link.url, PATIENCE)
    }
    link.retire()
  }

  async #usableLink(): Promise<KdcLink> {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#link?.usable) return this.#link
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    const failure = this.#failure
    if (failure === undefined) return this.#opening
    // No KDC answered a moment ago, so this caller does not wait for long. The attempt continues for the next caller.
    this.#opening.catch(() => {})
    const link = await this.#withinPatience(this.#opening)
    if (link === undefined) throw this.#closed ?? failure
    return link
  }

  async #connect(): Promise<KdcLink> {
    await this.#pause.over()
    const attempts: Attempt[] = []
    try {
      for (let i = 0; i < this.#options.urls.length; i++) {
        const attempt = this.#openLink()
        attempts.push(attempt)
        const link = await this.#withinPatience(attempt.opened.catch(() => undefined))
        if (link !== undefined) return this.#reached(link, attempts)
        this.#nextUrl++
      }
      const link = await Promise.any(attempts.map(({ opened }) => opened))
      return this.#reached(link, attempts)
    } catch (cause) {
      const failures = cause instanceof AggregateError ? cause.errors : [cause]
      const unexpected = failures.find(failure => !(failure instanceof OrthrusError))
      if (unexpected !== undefined) throw unexpected
      this.#pause.lengthen()
      this.#failure = combine(failures)
      if (failures.some(isOtherVersion)) {
        this.#options.logger.warn({ cause: this.#failure }, 'no KDC of this version can be reached')
      }
      throw this.#closed ?? this.#failure
    }
  }

  /** Uses this link and gives up the other attempts. */
  #reached(link: KdcLink, attempts: readonly Attempt[]): KdcLink {
    for (const attempt of attempts) if (attempt.link !== link) attempt.link.retire()
    this.#link = link
    this.#pause.reset()
    this.#failure = undefined
    this.#options.logger.debug({ kdc: link.url }, 'connected to the KDC')
    return link
  }

  /** @throws OrthrusError if the realm was closed */
  #openLink(): Attempt {
    if (this.#closed !== undefined) throw this.#closed
    const { urls, openSocket, timers, timeouts, keepProcessAlive } = this.#options
    const url = urls[this.#nextUrl % urls.length] as string
    const closed = (gone: KdcLink): void => void this.#links.delete(gone)
    const link = new KdcLink({ url, openSocket, timers, timeout: timeouts.connect, keepProcessAlive, closed })
    // A socket may already fail while it is created.
    if (link.usable) this.#links.add(link)
    const opened = link.opened.then(() => link)
    opened.catch(() => {})
    return { link, opened }
  }

  /** The value of the promise, or `undefined` if it takes longer than `PATIENCE`. */
  #withinPatience<T>(promise: Promise<T>): Promise<T | undefined> {
    const { timers } = this.#options
    return new Promise((resolve, reject) => {
      const timer = timers.setTimeout(() => resolve(undefined), PATIENCE)
      promise.then(resolve, reject).finally(() => timers.clearTimeout(timer))
    })
  }
}

function silent(url: string, milliseconds: number): OrthrusError {
  return unreachable(url, `no answer within ${milliseconds} ms`)
}

function combine(failures: readonly OrthrusError[]): OrthrusError {
  const [first] = failures
  if (first === undefined || failures.length === 1) return first ?? unreachable('no URL', 'none is known')
  const reason = failures.map(failure => failure.reason).join('; ')
  const { hint } = first.facts
  return new OrthrusError('unavailable', reason, hint === undefined ? {} : { hint })
}
