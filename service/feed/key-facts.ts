import { heldState } from '../../shared/administration/held-state.js'
import type { KeySummary } from '../../shared/administration/keys.js'
import { type Clock, HOUR } from '../../shared/time.js'
import type { ServiceKeys } from '../keys.js'
import type { KeyFact } from '../request/state.js'

/** What a KDC last said of the service's own keys. A keytab says nothing of it. */
export class KeyFacts {
  readonly #keys: ServiceKeys
  readonly #clock: Clock
  /** An old key is erased at the KDC, and stays in the keytab for a while. */
  readonly #createdAt = new Map<number, number>()
  #told: readonly KeySummary[] = []
  #asked: { readonly kvnos: string; readonly at: number } | undefined

  constructor(keys: ServiceKeys, clock: Clock) {
    this.#keys = keys
    this.#clock = clock
  }

  /** Whether a KDC is to be asked: the service has other keys than when it asked last, or that was an hour ago. */
  get areOutdated(): boolean {
    const { kvnos, at } = this.#asked ?? {}
    return kvnos !== String(this.#keys.kvnos) || at === undefined || this.#clock.monotonic() - at >= HOUR
  }

  /** A KDC was asked, and answered or refused. */
  wasAsked(): void {
    this.#asked = { kvnos: String(this.#keys.kvnos), at: this.#clock.monotonic() }
  }

  /** A KDC told this. */
  take(told: readonly KeySummary[]): void {
    this.#told = told
    this.wasAsked()
    for (const { kvno, createdAt } of told) this.#createdAt.set(kvno, createdAt)
    const { kvnos } = this.#keys
    for (const kvno of this.#createdAt.keys()) if (!kvnos.includes(kvno)) this.#createdAt.delete(kvno)
  }

  /** Undefined if no KDC has told anything of it. */
  of(kvno: number): KeyFact | undefined {
    if (this.#told.length === 0) return undefined
    const state = heldState(kvno, this.#told)
    // The KDC has made no such key when it was asked, but may have since.
    if (state === 'dead') return undefined
    return { state, createdAt: this.#createdAt.get(kvno) }
  }
}
