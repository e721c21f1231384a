import type { RandomSource } from '../../shared/crypto/random.js'
import { openWith, sealWith } from '../../shared/crypto/seal.js'
import { decode, encode, type Value } from '../../shared/encoding/encoding.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Change, Page, RecordKind, Store, Stored, WatchListener } from '../store/store.js'
import { type MasterKey, revealMasterKey } from './master-key.js'

/** The start of a sealed record's associated data. Nothing else is sealed under a master key. */
const LABEL = 'orthrus record 1'

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

/**
 * Whole records, sealed under the master key and bound to kind, name and version. The store below can lose records or
 * return old ones. It cannot read them, and this vault detects a record that was changed, swapped or renumbered.
 */
export class Vault {
  readonly #store: Store
  readonly #key: MasterKey
  readonly #random: RandomSource

  constructor(store: Store, key: MasterKey, random: RandomSource) {
    this.#store = store
    this.#key = key
    this.#random = random
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

  /** @returns a function that opens a made-up record, with the same work as for a record from the store */
  standIn(kind: RecordKind, fields: readonly Value[]): () => VaultRecord {
    // No record in the store has this name.
    const name = ''
    const value = (this.#seal({ kind, name, expected: 0, fields }).value as Uint8Array).slice()
    return () => this.#open(kind, name, { version: 1, value })
  }

  watch(listener: WatchListener): () => void {
    return this.#store.watch(listener)
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #seal({ kind, name, expected, fields }: VaultChange): Change {
    if (fields === undefined) return { kind, name, expected, value: undefined }
    const bound = encode([LABEL, kind, name, expected + 1])
    const value = sealWith(revealMasterKey(this.#key), bound, encodeFields(kind, name, fields), this.#random)
    return { kind, name, expected, value }
  }

  #open(kind: RecordKind, name: string, { version, value }: Stored): VaultRecord {
    const bound = encode([LABEL, kind, name, version])
    const opened = openWith(revealMasterKey(this.#key), bound, value)
    if (opened === undefined) {
      throw new OrthrusError('unavailable', `the ${kind} record ${name} does not open`, {
        hint: 'master.key belongs to another database, or this one was altered: restore both from one backup',
      })
    }
    return { version, fields: decodeFields(kind, name, opened) }
  }
}

/** Refuses to write what does not decode, because nobody could read it again. */
function encodeFields(kind: RecordKind, name: string, fields: readonly Value[]): Uint8Array {
  const bytes = encode(fields)
  try {
    decode(bytes)
  } catch {
    throw new TypeError(`the ${kind} record ${name} has a field that is too long`)
  }
  return bytes
}

function decodeFields(kind: RecordKind, name: string, bytes: Uint8Array): Value[] {
  try {
    return decode(bytes)
  } catch {
    // Without the cause, which would not help, and the contents are secret.
    throw new OrthrusError('unavailable', `the ${kind} record ${name} has an unknown form`, {
      hint: 'was it written by another version of orthrus?',
    })
  }
}
