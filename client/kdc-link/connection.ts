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
}

/** An answer, with when it was asked and came. */
export interface Exchanged extends Span {
  readonly bytes: Uint8Array
}

/**
 * The way to the KDCs of a realm: one connection at a time, made anew when it is needed and gone. One that was given up
 * stays beside it for as long as something is still waited for on it.
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
  #closed: OrthrusError | undefined

  constructor(options: KdcConnectionOptions) {
    this.#options = options
  }

  /** Settles when a KDC was reached. @throws OrthrusError `unavailable` */
  async open(): Promise<void> {
    await this.#usableLink()
  }

  /**
   * Sends one message and gives its answer. Asked once more over a new connection where the one at hand was dead:
   * nothing that a KDC is asked does harm twice.
   * @throws OrthrusError `unavailable`
   */
  async exchange(message: Uint8Array): Promise<Exchanged> {
    const link = await this.#usableLink()
    try {
      return await this.#ask(link, message)
    } catch (cause) {
      this.#options.logger.debug({ kdc: link.url, cause }, 'asking the KDC again over a new connection')
    }
    return this.#ask(await this.#usableLink(), message)
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

  #ask(link: KdcLink, message: Uint8Array): Promise<Exchanged> {
    const { clock, timers, timeouts } = this.#options
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
        reject(unreachable(link.url, `no answer within ${timeouts.exchange} ms`))
        // The next question goes over another connection, and to another KDC where there is one.
        if (link === this.#link) this.#nextUrl++
        stream.end()
        link.retire()
      }, timeouts.exchange)
      const endSpan = startSpan(clock)
      stream.send(message)
    })
  }

  async #usableLink(): Promise<KdcLink> {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#link?.usable) return this.#link
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #connect(): Promise<KdcLink> {
    await this.#pause()
    const failures: OrthrusError[] = []
    for (let i = 0; i < this.#options.urls.length; i++) {
      try {
        this.#link = await this.#openLink()
        this.#failures = 0
        return this.#link
      } catch (cause) {
        if (!(cause instanceof OrthrusError)) throw cause
        failures.push(cause)
        this.#nextUrl++
      }
    }
    this.#failures++
    this.#retryAt = this.#options.clock.monotonic() + this.#pauseLength()
    throw this.#closed ?? combine(failures)
  }

  async #openLink(): Promise<KdcLink> {
    if (this.#closed !== undefined) throw this.#closed
    const { urls, openSocket, timers, timeouts } = this.#options
    const url = urls[this.#nextUrl % urls.length] as string
    const closed = (gone: KdcLink): void => void this.#links.delete(gone)
    const link = new KdcLink({ url, openSocket, timers, timeout: timeouts.connect, closed })
    // A socket may fail while it is made.
    if (link.usable) this.#links.add(link)
    await link.opened
    this.#options.logger.debug({ kdc: link.url }, 'connected to the KDC')
    return link
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

function combine(failures: readonly OrthrusError[]): OrthrusError {
  const [first] = failures
  if (first === undefined || failures.length === 1) return first ?? unreachable('no URL', 'none is known')
  const reason = failures.map(failure => failure.reason).join('; ')
  const { hint } = first.facts
  return new OrthrusError('unavailable', reason, hint === undefined ? {} : { hint })
}
