import type { OrthrusError } from '../../shared/errors.js'
import { inBackground, type Timers } from '../../shared/timers.js'
import { KdcLink, type Sign } from './link.js'
import { silent } from './link-failure.js'
import type { OpenSocket } from './socket.js'

export interface KdcLinksOptions {
  readonly openSocket: OpenSocket
  readonly timers: Timers
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number }
  /** Whether an idle connection keeps the process alive. */
  readonly keepProcessAlive: boolean
  /** Called when a link that requests were sent over is closed. @param isLast whether no other is left */
  lost(link: KdcLink, cause: OrthrusError, isLast: boolean): void
  /** Called for each sign of life. */
  heard(link: KdcLink, sign: Sign): void
}

/** The last ticks at which a link was heard and answered. */
export interface Heard {
  any: number
  answer: number
}

/** All links to KDCs, also those that are being opened or were given up. */
export class KdcLinks {
  readonly #options: KdcLinksOptions
  readonly #heard = new Map<KdcLink, Heard>()
  readonly #usable = new Set<KdcLink>()

  constructor(options: KdcLinksOptions) {
    this.#options = options
  }

  /** The links that requests are sent over: one, and while that is in doubt others beside it. */
  get usable(): ReadonlySet<KdcLink> {
    return this.#usable
  }

  /** Begins to open a link. */
  open(url: string): KdcLink {
    const { openSocket, timers, timeouts, keepProcessAlive, heard } = this.#options
    const link: KdcLink = new KdcLink({
      url,
      openSocket,
      timers: inBackground(timers),
      timeout: timeouts.connect,
      keepProcessAlive,
      heard,
      closed: gone => {
        this.#heard.delete(gone)
        const wasUsed = this.#usable.delete(gone)
        if (wasUsed && gone.failure !== undefined)
          this.#options.lost(gone, gone.failure, this.#usable.size === 0)
      },
    })
    // A socket may already fail while it is created.
    if (link.usable) this.#heard.set(link, { any: 0, answer: 0 })
    return link
  }

  /** Sends requests over this link too. */
  add(link: KdcLink): void {
    this.#usable.add(link)
  }

  /** Sends requests over this link only. Those that wait on another one may still be answered there. */
  keepOnly(link: KdcLink): void {
    for (const other of [...this.#usable]) if (other !== link) this.leave(other)
  }

  /** Sends no more requests over this link. */
  leave(link: KdcLink): void {
    if (this.#usable.delete(link)) link.retire()
  }

  /** Keeps the tick of a sign of life. */
  note(link: KdcLink, sign: Sign, tick: number): void {
    const heard = this.#heard.get(link)
    if (heard === undefined) return
    heard.any = tick
    if (sign === 'answer') heard.answer = tick
  }

  /** The last ticks at which any of these links was heard and answered. */
  lastHeard(links: Iterable<KdcLink>): Heard {
    const last: Heard = { any: 0, answer: 0 }
    for (const link of links) {
      const heard = this.#heard.get(link)
      last.any = Math.max(last.any, heard?.any ?? 0)
      last.answer = Math.max(last.answer, heard?.answer ?? 0)
    }
    return last
  }

  /** Asks every link that was not heard in this tick for a sign of life. */
  ping(tick: number): void {
    for (const [link, heard] of this.#heard) if (tick - heard.any >= 1) link.ping()
  }

  /** Sends a message whose answer nobody awaits, to see whether one comes. */
  probe(link: KdcLink, message: Uint8Array): void {
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

  close(cause: OrthrusError): void {
    for (const link of [...this.#heard.keys()]) link.close(cause)
  }
}
