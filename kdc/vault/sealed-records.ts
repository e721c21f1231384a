import type { RandomSource } from '../../shared/crypto/random.js'
import { openWith, sealWith } from '../../shared/crypto/seal.js'
import { decode, encode, type Value } from '../../shared/encoding/encoding.js'
import { OrthrusError } from '../../shared/errors.js'
import type { RecordKind, Stored } from '../store/store.js'
import { type MasterKey, revealMasterKey } from './master-key.js'

/** How a record is sealed under a master key, bound to its kind, name and version. */

/** The start of a sealed record's associated data. */
const LABEL = 'orthrus record 1'

/** The key that seals and, until every record is sealed under it, the one before. */
export interface MasterKeys {
  readonly current: MasterKey
  readonly previous: MasterKey | undefined
}

export interface OpenedRecord {
  readonly version: number
  readonly fields: Value[]
  /** Which of the keys it is sealed under. */
  readonly under: keyof MasterKeys
}

/** @throws TypeError if the fields cannot be encoded, or could not be read again */
export function sealRecord(
  key: MasterKey,
  {
    kind,
    name,
    version,
    fields,
  }: { kind: RecordKind; name: string; version: number; fields: readonly Value[] },
  random: RandomSource,
): Uint8Array {
  return sealWith(
    revealMasterKey(key),
    boundTo(kind, name, version),
    encodeFields(kind, name, fields),
    random,
  )
}

/** @throws OrthrusError `unavailable` if it opens under none of the keys */
export function openRecord(
  { current, previous }: MasterKeys,
  kind: RecordKind,
  name: string,
  { version, value }: Stored,
): OpenedRecord {
  const bound = boundTo(kind, name, version)
  const opened = openWith(revealMasterKey(current), bound, value)
  if (opened !== undefined) return { version, fields: decodeFields(kind, name, opened), under: 'current' }
  const before = previous && openWith(revealMasterKey(previous), bound, value)
  if (before !== undefined) return { version, fields: decodeFields(kind, name, before), under: 'previous' }
  throw new OrthrusError('unavailable', `the ${kind} record ${name} does not open`, {
    hint: 'master.key belongs to another database, or this one was altered: restore both from one backup; of KDCs that share the realm each has a copy of one master.key',
  })
}

function boundTo(kind: RecordKind, name: string, version: number): Uint8Array {
  return encode([LABEL, kind, name, version])
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
