import type { Fraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { KdcLink, type LinkStream, type StreamEvents } from './failover.js'
import { type Span, startSpan } from './kdc-clock.js'
import { unreachable } from './link-failure.js'
import type { OpenSocket } from './socket.js'

/** Tuning, not protocol: the pause after KDCs could not be reached, milliseconds; it doubles. */
const PAUSE_FIRST = 250
const PAUSE_MAX = 4_000
/** How long a KDC may be silent before the next is asked too, milliseconds. */
const PATIENCE = 1_000

export interface KdcConnectionOptions {
  /** At least one. The next is tried when one cannot be reached. */
  readonly urls: readonly string[]
  readonly openSocket: OpenSocket
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly logger: Logger
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number; readonly exchange: number }
  /** Whether a connection keeps the process alive while nothing is asked over it. */
  readonly keepProcessAlive: boolean
}

/** A connection that is being opened. */
interface Attempt {
  readonly link: KdcLink
  readonly opened: Promise<KdcLink>
}

/** An answer, with when it was asked and came. */
export interface Exchanged extends Span {
  readonly bytes: Uint8Array
}

/**
 * The way to the KDCs of a realm: one connection at a time, made again when it is needed and gone. One that was given up
 * is kept beside it while an answer is still awaited on it.
 */
export class KdcConnection {
  readonly #options: KdcConnectionOptions
  #link: KdcLink | undefined
  #opening: Promise<KdcLink> | undefined
  /** Every link that is not closed: the one at hand, one being opened, and those given up. */
  readonly #links = new Set<KdcLink>()
  #nextUrl = 0
  #failures = 0
  #retryAt = Number.NEGATIVE_INFINITY
  #endPause: (() => void) | undefined
  /** Why no KDC answers, since one was last reached. */
  #failure: OrthrusError | undefined
  #closed: OrthrusError | undefined

  constructor(options: KdcConnectionOptions) {
    this.#options = options
  }

  /** Settles when a KDC was reached. @throws OrthrusError `unavailable` */
  async open(): Promise<void> {
    await this.#usableLink()
  }

  /**
   * Sends one message and gives its answer. A KDC that is silent for a second, or a connection that was dead, costs no
   * more than that: the message goes to the next KDC, or over a new connection, and whichever answers first is heard.
   * Nothing that a KDC is asked does harm twice.
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

  /** An id of one's own, for messages that go on. @throws OrthrusError `unavailable` */
  async openStream(events: StreamEvents): Promise<LinkStream> {
    return (await this.#usableLink()).openStream(events)
  }

  /** Ends everything; what waits is rejected with the cause. */
  close(cause: OrthrusError): void {
    if (this.#closed !== undefined) return
    this.#closed = cause
    this.#endPause?.()
    for (const link of [...this.#links]) link.close(cause)
  }

  /** @param within milliseconds. */
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

  /** The next question goes over another connection, and to another KDC where there is one. */
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
    // No KDC answered a moment ago, so no caller waits for long; the attempt goes on for the next one.
    this.#opening.catch(() => {})
    const link = await this.#withinPatience(this.#opening)
    if (link === undefined) throw this.#closed ?? failure
    return link
  }

  async #connect(): Promise<KdcLink> {
    await this.#pause()
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
      this.#failures++
      this.#retryAt = this.#options.clock.monotonic() + this.#pauseLength()
      this.#failure = combine(failures)
      throw this.#closed ?? this.#failure
    }
  }

  /** One KDC is enough: other attempts are given up. */
  #reached(link: KdcLink, attempts: readonly Attempt[]): KdcLink {
    for (const attempt of attempts) if (attempt.link !== link) attempt.link.retire()
    this.#link = link
    this.#failures = 0
    this.#failure = undefined
    this.#options.logger.debug({ kdc: link.url }, 'connected to the KDC')
    return link
  }

  /** @throws OrthrusError where the realm was closed. */
  #openLink(): Attempt {
    if (this.#closed !== undefined) throw this.#closed
    const { urls, openSocket, timers, timeouts, keepProcessAlive } = this.#options
    const url = urls[this.#nextUrl % urls.length] as string
    const closed = (gone: KdcLink): void => void this.#links.delete(gone)
    const link = new KdcLink({ url, openSocket, timers, timeout: timeouts.connect, keepProcessAlive, closed })
    // A socket may fail while it is made.
    if (link.usable) this.#links.add(link)
    const opened = link.opened.then(() => link)
    opened.catch(() => {})
    return { link, opened }
  }

  /** The promise's value, or `undefined` where it takes longer than one waits for a KDC alone. */
  #withinPatience<T>(promise: Promise<T>): Promise<T | undefined> {
    const { timers } = this.#options
    return new Promise((resolve, reject) => {
      const timer = timers.setTimeout(() => resolve(undefined), PATIENCE)
      promise.then(resolve, reject).finally(() => timers.clearTimeout(timer))
    })
  }

  /** KDCs that were just found unreachable are left alone for a while; with jitter, so that clients spread. */
  #pauseLength(): number {
    const whole = Math.min(PAUSE_MAX, PAUSE_FIRST * 2 ** (this.#failures - 1))
    return whole * (0.5 + 0.5 * this.#options.fraction())
  }

  async #pause(): Promise<void> {
    const { clock, timers } = this.#options
    const left = this.#retryAt - clock.monotonic()
    if (left <= 0) return
    await new Promise<void>(resolve => {
      const timer = timers.setTimeout(resolve, left)
      this.#endPause = () => {
        timers.clearTimeout(timer)
        resolve()
      }
    })
    this.#endPause = undefined
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
