import type { RandomSource } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import type { Listed, Page, RecordKind, StoreSnapshot } from '../store/store.js'
import { type MasterKeys, openRecord, sealRecord } from './sealed-records.js'

/** A record in a snapshot, opened, and sealed as it leaves the vault in a backup. */
export interface SnapshotRecord extends Listed {
  readonly fields: Value[]
}

export interface SnapshotOptions {
  readonly random: RandomSource
  /** Called once, when it is closed. */
  readonly closed: () => void
}

/** The records of one moment. Each is opened before it is passed on, so that nothing damaged goes out unseen. */
export class VaultSnapshot {
  readonly #store: StoreSnapshot
  /** As they were at the moment of the snapshot: no record in it is sealed under a later one. */
  readonly keys: MasterKeys
  readonly #random: RandomSource
  #closed: (() => void) | undefined

  constructor(store: StoreSnapshot, keys: MasterKeys, { random, closed }: SnapshotOptions) {
    this.#store = store
    this.keys = keys
    this.#random = random
    this.#closed = closed
  }

  /**
   * In ascending order of the names' bytes, each with its sealed bytes as they are stored. A record that is still
   * sealed under the key before is sealed again under the current one, so one key opens all of a snapshot.
   * @throws OrthrusError `unavailable` if one does not open, or the snapshot was closed
   */
  async list(kind: RecordKind, page: Page): Promise<SnapshotRecord[]> {
    const listed = await this.#store.list(kind, page)
    return listed.map(({ name, version, value }) => {
      const { fields, under } = openRecord(this.keys, kind, name, { version, value })
      if (under === 'current') return { name, version, value, fields }
      const again = sealRecord(this.keys.current, { kind, name, version, fields }, this.#random)
      return { name, version, value: again, fields }
    })
  }

  async close(): Promise<void> {
    const closed = this.#closed
    this.#closed = undefined
    await this.#store.close()
    closed?.()
  }
}
