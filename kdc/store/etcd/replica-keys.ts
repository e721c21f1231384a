import type { RecordKind } from '../store.js'
import { RECORD_KIND } from '../store.js'

/** The keys of a realm in etcd. All begin with its prefix, such as `/orthrus/demo.example/`. */

const KINDS: ReadonlySet<string> = new Set(Object.values(RECORD_KIND))

const REPLICAS = 'replicas/'

/** More than any replica tells, bytes. */
const TOLD_MAX = 256

/** Written by every commit of records, so that one key tells the revision of the last change. */
export function lastKey(prefix: string): string {
  return `${prefix}last`
}

export function replicaKey(prefix: string, id: string): string {
  return `${prefix}${REPLICAS}${id}`
}

/** All keys of replicas, as a range. */
export function replicaRange(prefix: string): { readonly key: string; readonly end: string } {
  return { key: `${prefix}${REPLICAS}`, end: endOf(`${prefix}${REPLICAS}`) }
}

/** All keys with the prefix, as a range. */
export function wholeRange(prefix: string): { readonly key: string; readonly end: string } {
  return { key: prefix, end: endOf(prefix) }
}

/** `undefined` if the key is not one of a replica. */
export function replicaOfKey(prefix: string, key: string): string | undefined {
  const begin = prefix.length + REPLICAS.length
  return key.startsWith(REPLICAS, prefix.length) ? key.slice(begin) : undefined
}

/** `undefined` if the key is not one of a record. */
export function recordOfKey(
  prefix: string,
  key: string,
): { readonly kind: RecordKind; readonly name: string } | undefined {
  const end = key.indexOf('/', prefix.length)
  const kind = end < 0 ? '' : key.slice(prefix.length, end)
  return KINDS.has(kind) ? { kind: kind as RecordKind, name: key.slice(end + 1) } : undefined
}

/** What stands in the key of a KDC that has left: it answers nothing more, whatever is changed. */
export const LEFT = Number.MAX_SAFE_INTEGER

/**
 * What stands in the key of a replica.
 * @param revision up to which it has applied all changes; 0 for none yet
 * @param told what else it tells of itself
 */
export function encodeApplied(revision: number, told: string): Uint8Array {
  return new TextEncoder().encode(told === '' ? String(revision) : `${revision} ${told}`)
}

/** Whatever is no number counts as 0, so that it is waited for and put out. */
export function appliedIn(value: Uint8Array): number {
  const [text = ''] = new TextDecoder().decode(value.subarray(0, 17)).split(' ')
  return /^[0-9]{1,16}$/.test(text) ? Math.min(Number(text), LEFT) : 0
}

/** What else a replica tells of itself in its key. */
export function toldIn(value: Uint8Array): string {
  const [, ...told] = new TextDecoder().decode(value.subarray(0, TOLD_MAX)).split(' ')
  return told.join(' ')
}

/** The first key behind all that begin with this ASCII text. */
function endOf(prefix: string): string {
  const last = prefix.length - 1
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1)
}
