import { OrthrusError } from '../../../shared/errors.js'
import type { Clock } from '../../../shared/time.js'
import type { ReplicaNotice } from '../store.js'
import type { Currency } from './currency.js'

/**
 * How a KDC stands among those that share the store: whether it may answer from memory, why not, and since when. What
 * changes of it is told to one listener.
 */
export class Standing {
  readonly #clock: Clock
  readonly #currency: Currency
  /** Since when it has not been current, by the monotonic clock, as far as that was told. */
  #lostAt: number | undefined
  #reason = 'it has not been confirmed yet'
  /** Why it does nothing any more, if that is so. */
  #ended: OrthrusError | undefined
  #waiting: Waiting | undefined
  #notices: ReplicaNotice[] = []
  #listener: ((notice: ReplicaNotice) => void) | undefined

  constructor(clock: Clock, currency: Currency) {
    this.#clock = clock
    this.#currency = currency
    this.#lostAt = clock.monotonic()
  }

  isCurrent(): boolean {
    return this.#ended === undefined && this.#currency.isCurrent()
  }

  /** Resolves when it is current; `undefined` while it is. @throws OrthrusError `unavailable` if it does nothing any more */
  whenCurrent(): Promise<void> | undefined {
    if (this.isCurrent()) return undefined
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    this.#waiting ??= waiting()
    return this.#waiting.promise
  }

  /** Whether it does nothing any more. */
  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  /** Why it is not current, and what to do; `undefined` while it is. */
  get fault(): OrthrusError | undefined {
    if (this.#ended !== undefined) return this.#ended
    if (this.#currency.isCurrent()) return undefined
    return new OrthrusError('unavailable', `this KDC may not have seen all changes: ${this.#reason}`, {
      hint: 'ask another KDC of the realm; this one goes on by itself once it reaches etcd',
    })
  }

  /** @throws OrthrusError `unavailable` if it does nothing any more */
  requireGoing(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  /** The reason to give should it not be current, or soon not be. */
  blame(cause: unknown): void {
    this.#reason = reasonOf(cause)
  }

  /** Nothing that is in memory is good any more, nor anything that is read again. */
  end(why: OrthrusError): void {
    this.#ended = why
    this.#currency.end()
    this.#waiting?.reject(why)
    this.#waiting = undefined
  }

  /** Tells whether it is current, if that is not what was told last. */
  look(): void {
    if (this.isCurrent()) {
      this.#waiting?.resolve()
      this.#waiting = undefined
    }
    if (this.hasEnded || this.isCurrent() === (this.#lostAt === undefined)) return
    const now = this.#clock.monotonic()
    if (this.#lostAt === undefined) {
      this.#lostAt = now
      this.notify({ kind: 'lost', reason: this.#reason })
      return
    }
    const after = Math.round(now - this.#lostAt)
    this.#lostAt = undefined
    this.#reason = 'it has not been confirmed for a second'
    this.notify({ kind: 'current', after })
  }

  notify(notice: ReplicaNotice): void {
    if (this.#listener === undefined) this.#notices.push(notice)
    else this.#listener(notice)
  }

  /** Calls the listener with each notice from now on, and at once with those that nobody heard. */
  onNotice(listener: (notice: ReplicaNotice) => void): void {
    this.#listener = listener
    for (const notice of this.#notices.splice(0)) listener(notice)
  }
}

/** Whoever waits until it is current. */
interface Waiting {
  readonly promise: Promise<void>
  resolve(): void
  reject(cause: OrthrusError): void
}

function waiting(): Waiting {
  let [resolve, reject]: [() => void, (cause: OrthrusError) => void] = [() => {}, () => {}]
  const promise = new Promise<void>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}

/** @param cause a reason, or what was thrown */
export function reasonOf(cause: unknown): string {
  if (typeof cause === 'string') return cause
  return cause instanceof OrthrusError ? cause.reason : 'an unexpected failure'
}
