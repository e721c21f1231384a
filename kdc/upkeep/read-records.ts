import type { Value } from '../../shared/encoding/encoding.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Listed, RECORD_KIND, type RecordKind, type StoreSnapshot } from '../store/store.js'
import { decodePolicyRecord, decodePrincipalRecord, decodeRevocationRecord } from '../vault/records.js'
import { type MasterKeys, openRecord } from '../vault/sealed-records.js'
import type { Faults } from './faults.js'

/** Reads every record of a snapshot, and goes on behind one that cannot be read. */

const PAGE = 256

/** @param after only names after this one */
export async function* recordsIn(store: StoreSnapshot, kind: RecordKind): AsyncGenerator<Listed> {
  for (let after = ''; ; ) {
    const page = await store.list(kind, after === '' ? { limit: PAGE } : { after, limit: PAGE })
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)?.name ?? ''
  }
}

export interface Readable<T> {
  readonly name: string
  readonly record: T
}

export interface ReadOptions {
  readonly store: StoreSnapshot
  readonly keys: MasterKeys
  readonly faults: Faults
  /** Called for each record that is sealed under the key before. */
  readonly previous: () => void
}

/** The records of a kind that can be read. Each of the others is a fault. */
export async function* readable<T>(
  { store, keys, faults, previous }: ReadOptions,
  kind: RecordKind,
  decode: (fields: readonly Value[], name: string) => T,
): AsyncGenerator<Readable<T>> {
  for await (const stored of recordsIn(store, kind)) {
    const { name } = stored
    try {
      const { fields, under } = openRecord(keys, kind, name, stored)
      if (under === 'previous') previous()
      yield { name, record: decode(fields, name) }
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      faults.add(`${kind} ${name}`, cause.reason, cause.facts.hint)
    }
  }
}

export const principalsIn = (options: ReadOptions) =>
  readable(options, RECORD_KIND.PRINCIPAL, decodePrincipalRecord)

export const rulesIn = (options: ReadOptions) => readable(options, RECORD_KIND.POLICY, decodePolicyRecord)

export const entriesIn = (options: ReadOptions) =>
  readable(options, RECORD_KIND.REVOCATION, decodeRevocationRecord)
