import type { Member } from '../store.js'
import type { KeyValue, WatchEvent } from './etcd.js'
import { REPLICA } from './replica-defaults.js'
import { appliedIn, LEFT, replicaOfKey, toldIn } from './replica-keys.js'

/** A KDC that may still answer from what was before a change. */
export interface Unsettled {
  /** `undefined` for one that nobody knows of, which may have lost its place before this KDC had one. */
  readonly id: string | undefined
  /** For how long it need only be waited for, milliseconds; `undefined` while it has a place, and must apply the change. */
  readonly wait: number | undefined
  /** The revision that last wrote its key. */
  readonly modRevision: number
  /** Since when it has its place, by the monotonic clock, milliseconds. */
  readonly since: number
}

interface Present {
  readonly applied: number
  readonly told: string
  readonly modRevision: number
  readonly since: number
}

interface Gone extends Present {
  /** By the monotonic clock, milliseconds. */
  readonly at: number
}

/**
 * Which KDCs share the store, and how far each has applied its changes, as the watch tells. One that lost its place may
 * answer for a while from what it had, so it is remembered for that long.
 */
export class Membership {
  readonly #prefix: string
  readonly #own: string
  readonly #present = new Map<string, Present>()
  readonly #gone = new Map<string, Gone>()
  #knownSince = Number.POSITIVE_INFINITY

  /** @param own the id of this KDC, which knows of itself what it has applied */
  constructor(prefix: string, own: string) {
    this.#prefix = prefix
    this.#own = own
  }

  /** All that have a place, this KDC included. */
  get members(): readonly Member[] {
    return [...this.#present].map(([id, { told }]) => ({ id, told })).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Begins with the keys that there are. Who lost its place before is not known. @param now monotonic, milliseconds */
  startOver(keys: readonly KeyValue[], now: number): void {
    this.#present.clear()
    this.#gone.clear()
    this.#knownSince = now
    for (const { key, value, modRevision } of keys) {
      const id = replicaOfKey(this.#prefix, key)
      if (id === undefined) continue
      this.#present.set(id, { applied: appliedIn(value), told: toldIn(value), modRevision, since: now })
    }
  }

  /** @returns whether the event was about a key of a replica */
  apply({ kind, key, value, modRevision }: WatchEvent, now: number): boolean {
    const id = replicaOfKey(this.#prefix, key)
    if (id === undefined) return false
    const before = this.#present.get(id)
    if (kind === 'put') {
      this.#gone.delete(id)
      const applied = appliedIn(value)
      // One that has applied nothing has only just taken its place.
      const since = before === undefined || applied === 0 ? now : before.since
      this.#present.set(id, { applied, told: toldIn(value), modRevision, since })
    } else if (before !== undefined) {
      this.#present.delete(id)
      if (before.applied !== LEFT) this.#gone.set(id, { ...before, at: now })
    }
    return true
  }

  /** Who may still answer from what was before this revision. @param now monotonic, milliseconds */
  unsettled(revision: number, now: number): readonly Unsettled[] {
    const found: Unsettled[] = []
    const unknown = this.#knownSince + REPLICA.GONE_FOR - now
    if (unknown > 0) found.push({ id: undefined, wait: unknown, modRevision: 0, since: 0 })
    for (const [id, { applied, modRevision, since }] of this.#present) {
      if (id !== this.#own && applied < revision) found.push({ id, wait: undefined, modRevision, since })
    }
    for (const [id, { applied, at, modRevision, since }] of this.#gone) {
      const wait = at + REPLICA.GONE_FOR - now
      if (wait <= 0) this.#gone.delete(id)
      else if (id !== this.#own && applied < revision) found.push({ id, wait, modRevision, since })
    }
    return found
  }
}
