import { concatBytes } from '../../../shared/bytes.js'
import { OrthrusError } from '../../../shared/errors.js'
import { RECORD_KIND, type RecordKind, type Stored } from '../store.js'
import type { KeyValue } from './etcd.js'

/**
 * How records are kept in etcd: under `<prefix><kind>/<name>`, with etcd's own count of a key's writings as the version.
 * A byte before the value says what it is. What is deleted leaves a tombstone: if the count began again, a change that
 * was decided before could pass for one of the present record, however long its KDC stood still in between. Entries of the
 * revocation log leave none: their names are numbers that are never given again, and they are by far the most that are
 * deleted. A watch tells of a deletion as of a change; where etcd has compacted the event away, everything is read again.
 */

const FORM = { TOMBSTONE: 0, RECORD: 1 } as const

const TOMBSTONE = Uint8Array.of(FORM.TOMBSTONE)

export function recordKey(prefix: string, kind: RecordKind, name: string): string {
  return `${prefix}${kind}/${name}`
}

/** Whether a name of this kind may be used again after its record was deleted, so that its versions must go on. */
export function leavesTombstone(kind: RecordKind): boolean {
  return kind !== RECORD_KIND.REVOCATION
}

/** All keys of a kind behind a name, as a range. */
export function rangeAfter(
  prefix: string,
  kind: RecordKind,
  after: string | undefined,
): { readonly key: string; readonly end: string } {
  const key = recordKey(prefix, kind, after ?? '')
  return { key: after === undefined ? key : `${key}\0`, end: `${prefix}${kind}0` }
}

export function nameOf(prefix: string, kind: RecordKind, key: string): string {
  return key.slice(recordKey(prefix, kind, '').length)
}

/** @param value `undefined` for a tombstone */
export function encodeContent(value: Uint8Array | undefined): Uint8Array {
  return value === undefined ? TOMBSTONE : concatBytes(Uint8Array.of(FORM.RECORD), value)
}

/** `undefined` for a tombstone. @throws OrthrusError `unavailable` if something else wrote it */
export function decodeContent({ key, version, value }: KeyValue): Stored | undefined {
  const [form] = value
  if (form === FORM.RECORD) return { version, value: value.subarray(1) }
  if (form === FORM.TOMBSTONE && value.length === 1) return undefined
  throw new OrthrusError('unavailable', `what etcd has as ${key} is no record of orthrus`, {
    final: true,
    hint: 'was it written by a newer version of orthrus, or by something else?',
  })
}
