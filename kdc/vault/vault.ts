import type { RandomSource } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Change, Page, RecordKind, Replica, Store, Stored, WatchListener } from '../store/store.js'
import type { MasterKey } from './master-key.js'
import type { MasterKeyPlace } from './master-key-place.js'
import { type MasterKeys, type OpenedRecord, openRecord, sealRecord } from './sealed-records.js'
import { requireSealedByAll } from './shared-keys.js'
import { VaultSnapshot } from './snapshot.js'

export interface VaultRecord {
  readonly version: number
  readonly fields: Value[]
}

export interface ListedVaultRecord extends VaultRecord {
  readonly name: string
}

export interface VaultChange {
  readonly kind: RecordKind
  readonly name: string
  /** The version that must be current; 0 if the record must not exist. */
  readonly expected: number
  /** `undefined` deletes the record. */
  readonly fields: readonly Value[] | undefined
}

export interface VaultOptions {
  /** The key before, while records may still be sealed under it. Nothing is sealed under it any more. */
  readonly previous?: MasterKey | undefined
  /** Where the key is kept, if a rotation may change it there. */
  readonly place?: MasterKeyPlace | undefined
}

/** Seals something again under the current key. */
export type Rewrap = (keys: MasterKeys) => Promise<void>

const NOBODY: readonly never[] = []

/** Snapshots that may be open at a time: each makes the store keep what is replaced after it. */
const SNAPSHOTS_MAX = 4

/**
 * Whole records, sealed under the master key and bound to kind, name and version. The store below can lose records or
 * return old ones. It cannot read them, and this vault detects a record that was changed, swapped or renumbered.
 */
export class Vault {
  readonly #store: Store
  readonly #random: RandomSource
  readonly #place: MasterKeyPlace | undefined
  readonly #rewraps: Rewrap[] = []
  #keys: MasterKeys
  #snapshots = 0
  /** A key that nobody else knows of, and so nobody else erases. */
  #drawn: MasterKey | undefined

  constructor(store: Store, key: MasterKey, random: RandomSource, { previous, place }: VaultOptions = {}) {
    this.#store = store
    this.#keys = { current: key, previous }
    this.#random = random
    this.#place = place
  }

  /** The key that seals and, until every record is sealed under it, the one before. */
  get keys(): MasterKeys {
    return this.#keys
  }

  /**
   * Seals under another key from now on, and opens under both.
   * @throws OrthrusError `malformed` if this process does not know where its key is kept, `unavailable` if another KDC
   * that shares the store would go on to seal under the key before
   */
  async beginRotation(): Promise<void> {
    requireSealedByAll(this.#keys, this.replica?.members ?? NOBODY)
    if (this.#keys.previous !== undefined) return
    if (this.#place === undefined) throw this.replica === undefined ? keptElsewhere() : keptBySeveral()
    const next = await this.#place.begin(this.#random)
    this.#drawn = next
    this.#keys = { current: next, previous: this.#keys.current }
  }

  /** A file beside the store that is sealed under the master key too: called before a rotation ends, perhaps again. */
  onRotation(rewrap: Rewrap): void {
    this.#rewraps.push(rewrap)
  }

  /**
   * Forgets the key before. The caller has made sure that no record is sealed under it.
   * @returns where it is kept; `undefined` where its owner keeps it
   */
  async endRotation(): Promise<string | undefined> {
    const { current, previous } = this.#keys
    if (previous === undefined) return undefined
    for (const rewrap of this.#rewraps) await rewrap(this.#keys)
    await this.#store.compact()
    const kept = await this.#place?.finish()
    // Where KDCs share the store, each has the keys that it was started with: so it was told to the others.
    if (this.replica !== undefined) return kept
    this.#keys = { current, previous: undefined }
    previous.erase()
    return kept
  }

  /** As `list`, with the key that each record is sealed under. @throws OrthrusError `unavailable` */
  async listSealed(
    kind: RecordKind,
    page: Page,
  ): Promise<(ListedVaultRecord & Pick<OpenedRecord, 'under'>)[]> {
    const listed = await this.#store.list(kind, page)
    return listed.map(({ name, ...stored }) => ({ name, ...openRecord(this.#keys, kind, name, stored) }))
  }

  /** @throws OrthrusError `unavailable` if the record exists but does not open. */
  async read(kind: RecordKind, name: string): Promise<VaultRecord | undefined> {
    const stored = await this.#store.get(kind, name)
    return stored && this.#open(kind, name, stored)
  }

  /**
   * Makes all changes or none, like `Store.commit`.
   * @throws StoreConflict if an expected version is not the current one.
   * @throws TypeError if the fields cannot be encoded, or could not be read again.
   */
  async commit(changes: readonly VaultChange[]): Promise<void> {
    await this.#store.commit(changes.map(change => this.#seal(change)))
  }

  /** In ascending order of the names' bytes. @throws OrthrusError `unavailable` if one of them does not open. */
  async list(kind: RecordKind, page: Page): Promise<ListedVaultRecord[]> {
    const listed = await this.#store.list(kind, page)
    return listed.map(({ name, ...stored }) => ({ name, ...this.#open(kind, name, stored) }))
  }

  /**
   * All records as they are now, whatever is committed meanwhile. It must be closed.
   * @throws OrthrusError `unavailable` if too many are open
   */
  async snapshot(): Promise<VaultSnapshot> {
    if (this.#snapshots >= SNAPSHOTS_MAX) {
      throw new OrthrusError('unavailable', `${SNAPSHOTS_MAX} snapshots of the database are open already`, {
        hint: 'try again when another backup is done',
      })
    }
    this.#snapshots++
    const closed = (): void => {
      this.#snapshots--
    }
    try {
      return new VaultSnapshot(await this.#store.snapshot(), this.#keys, { random: this.#random, closed })
    } catch (cause) {
      closed()
      throw cause
    }
  }

  /** @returns a function that opens a made-up record, with the same work as for a record from the store */
  standIn(kind: RecordKind, fields: readonly Value[]): () => VaultRecord {
    // No record in the store has this name.
    const name = ''
    const make = ({ current }: MasterKeys): Uint8Array =>
      sealRecord(current, { kind, name, version: 1, fields }, this.#random).slice()
    let madeBy = this.#keys
    // Made before anybody asks, since the first to ask would see that it takes longer.
    let value = make(madeBy)
    return () => {
      const all = this.#keys
      const { current } = all
      if (madeBy !== all) {
        madeBy = all
        value = make(all)
      }
      return openRecord({ current, previous: undefined }, kind, name, { version: 1, value })
    }
  }

  /** @throws OrthrusError `unavailable` if the store cannot write. A store that cannot tell counts as one that can. */
  async requireWritable(): Promise<void> {
    await this.#store.requireWritable?.()
  }

  /** This KDC among those that share the store. `undefined` if the store is for one process. */
  get replica(): Replica | undefined {
    return this.#store.replica
  }

  /**
   * Resolves when no KDC answers any more from what there was before the changes that the store has by now.
   * @returns the ids of KDCs that did not apply them in time, and lost their places
   * @throws OrthrusError `unavailable` if that cannot be found out
   */
  async settled(): Promise<readonly string[]> {
    return (await this.#store.replica?.settled()) ?? NOBODY
  }

  watch(listener: WatchListener): () => void {
    return this.#store.watch(listener)
  }

  async close(): Promise<void> {
    await this.#store.close()
    this.#drawn?.erase()
  }

  #seal({ kind, name, expected, fields }: VaultChange): Change {
    if (fields === undefined) return { kind, name, expected, value: undefined }
    const { current } = this.#keys
    const sealedAs = (version: number): Uint8Array =>
      sealRecord(current, { kind, name, version, fields }, this.#random)
    // Only the store knows the version of a name that there may have been before.
    return { kind, name, expected, value: expected === 0 ? sealedAs : sealedAs(expected + 1) }
  }

  #open(kind: RecordKind, name: string, stored: Stored): VaultRecord {
    const { version, fields } = openRecord(this.#keys, kind, name, stored)
    return { version, fields }
  }
}

function keptBySeveral(): OrthrusError {
  return new OrthrusError(
    'malformed',
    'several KDCs may have this master key, and none can change it for the others',
    {
      hint: 'start one after the other with the new key as --previous-master-key-file, so that all can read it; then one after the other with the two exchanged; then run: orthrus master-key rotate',
    },
  )
}

function keptElsewhere(): OrthrusError {
  return new OrthrusError(
    'malformed',
    'this KDC was handed its master key, and does not know where it is kept',
    {
      hint: 'start it with the new key and --previous-master-key-file OLD-KEY, then run: orthrus master-key rotate',
    },
  )
}
