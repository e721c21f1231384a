import { type Cancel, inBackground, runAfter, runEvery, type Timers } from '../../../shared/timers.js'
import type { Member } from '../store.js'
import type { Etcd, KeyValue } from './etcd.js'
import { REPLICA } from './replica-defaults.js'
import {
  encodeApplied,
  LEFT,
  lastKey,
  replicaKey,
  replicaOfKey,
  replicaRange,
  toldIn,
} from './replica-keys.js'

export interface PlaceOptions {
  readonly etcd: Etcd
  readonly prefix: string
  readonly id: string
  /** What the others are told of this KDC besides. */
  readonly told: string
  readonly timers: Timers
  /** Called when the place is no longer held, with the reason. */
  readonly lost: (reason: string) => void
}

/** What the store had when the place was taken, all of one revision. */
export interface Taken {
  readonly revision: number
  readonly replicas: readonly KeyValue[]
}

/**
 * A KDC's place among those that share the store: its key, which lives as long as its lease, and says how far the KDC has
 * applied what was changed. Whoever changes something waits for all who have a place.
 */
export class Place {
  readonly #options: PlaceOptions
  readonly #key: string
  readonly #lease: string
  readonly #stopKeeping: Cancel
  readonly taken: Taken
  /** Of the key, as far as it is known: nobody else writes it, but it may be deleted. */
  #version: number | undefined
  #told = 0
  #wanted = 0
  #isTelling = false
  #isOver = false

  private constructor(options: PlaceOptions, lease: string, taken: Taken) {
    this.#options = options
    this.#key = replicaKey(options.prefix, options.id)
    this.#lease = lease
    this.taken = taken
    const place = this.#key
    this.#version = taken.replicas.find(({ key: name }) => name === place)?.version
    this.#stopKeeping = runEvery(inBackground(options.timers), REPLICA.KEEP_EVERY, () => void this.#keep())
  }

  /**
   * Takes a place, and says with it that nothing is applied yet: what is changed from now on waits for this KDC.
   * @throws OrthrusError `unavailable`
   */
  static async take(options: PlaceOptions): Promise<Place> {
    const { etcd, prefix, id, told } = options
    const lease = await etcd.grantLease(REPLICA.LEASE)
    const value = encodeApplied(0, told)
    const { revision, answers } = await etcd.transact({
      compares: [],
      operations: [
        { kind: 'put', key: replicaKey(prefix, id), value, lease },
        { kind: 'range', ...replicaRange(prefix) },
      ],
    })
    return new Place(options, lease, { revision, replicas: answers[1]?.found ?? [] })
  }

  /** Says that all changes up to this revision are applied, as soon as that is possible. */
  tell(revision: number): void {
    this.#wanted = Math.max(this.#wanted, revision)
    if (!this.#isTelling) void this.#tellAll()
  }

  /** Its key as a confirmation found it. */
  found({ version }: KeyValue): void {
    if (this.#version !== undefined || this.#isTelling) return
    this.#version = version
    void this.#tellAll()
  }

  /** Nothing more is done about it. The key ends with its lease. */
  drop(): void {
    this.#isOver = true
    this.#stopKeeping()
  }

  /** Gives it up in order, so that nobody waits for this KDC, which answers nothing more. Takes a second at most, never throws. */
  leave(): Promise<void> {
    this.drop()
    return new Promise(resolve => {
      const cancel = runAfter(inBackground(this.#options.timers), REPLICA.LEAVE_WITHIN, resolve)
      const over = (): void => {
        cancel()
        resolve()
      }
      this.#giveUp().then(over, over)
    })
  }

  async #giveUp(): Promise<void> {
    const { etcd } = this.#options
    const value = encodeApplied(LEFT, this.#options.told)
    await etcd.transact({
      compares: [],
      operations: [{ kind: 'put', key: this.#key, value, lease: this.#lease }],
    })
    await etcd.revokeLease(this.#lease)
  }

  /** Whether the store can be reached is for the confirmations to find out. */
  async #keep(): Promise<void> {
    const left = await this.#options.etcd.keepLease(this.#lease).catch(() => undefined)
    if (left === 0) this.#lose('its lease has ended')
  }

  async #tellAll(): Promise<void> {
    this.#isTelling = true
    while (!this.#isOver && this.#version !== undefined && this.#told < this.#wanted) {
      await this.#tellOnce(this.#version, this.#wanted)
    }
    this.#isTelling = false
  }

  /** A key that somebody deleted must not come back by this: changes may have been acknowledged since. */
  async #tellOnce(version: number, revision: number): Promise<void> {
    this.#version = undefined
    const { etcd, told } = this.#options
    const value = encodeApplied(revision, told)
    try {
      const { succeeded } = await etcd.transact({
        compares: [{ key: this.#key, version }],
        operations: [{ kind: 'put', key: this.#key, value, lease: this.#lease }],
      })
      if (!succeeded) return this.#lose('it was put out')
      this.#version = version + 1
      this.#told = revision
    } catch {
      // It may be written or not. The next confirmation finds the key, and its version.
    }
  }

  #lose(reason: string): void {
    if (this.#isOver) return
    this.drop()
    this.#options.lost(reason)
  }
}

/** What a confirmation found. */
export interface Confirmation {
  readonly revision: number
  /** The revision of the last change of records; 0 before the first. */
  readonly last: number
  /** The key of this KDC. */
  readonly own: KeyValue | undefined
}

/** Asks the store, in one step, for the revision of the last change and the key of a KDC. @throws OrthrusError `unavailable` */
export async function confirm(etcd: Etcd, prefix: string, id: string): Promise<Confirmation> {
  const { revision, answers } = await etcd.transact({
    compares: [],
    operations: [
      { kind: 'range', key: lastKey(prefix) },
      { kind: 'range', key: replicaKey(prefix, id) },
    ],
  })
  const [last, own] = answers
  return { revision, last: last?.found[0]?.modRevision ?? 0, own: own?.found[0] }
}

/** The KDCs that have a place now. @throws OrthrusError `unavailable` */
export async function liveReplicas(etcd: Etcd, prefix: string): Promise<readonly Member[]> {
  const { found } = await etcd.range(replicaRange(prefix))
  return found.flatMap(({ key, value }) => {
    const id = replicaOfKey(prefix, key)
    return id === undefined ? [] : { id, told: toldIn(value) }
  })
}
