import { concatBytes } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { decode, encode, type Value } from '../../shared/encoding/encoding.js'
import { bytesOf, fields, numberOf, oneOf, realmNameOf, textOf } from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import type { RealmName } from '../../shared/principal.js'
import { type Listed, RECORD_KIND, type RecordKind } from '../store/store.js'

/**
 * The form of a backup: a line, then frames, then the proof of `vault/backup-mac.ts`. A frame is its length as 4 bytes,
 * big-endian, and a list as messages have it. The first is the manifest, the last says how many records there are of
 * each kind, and between them each record is a frame, sealed as the store has it.
 */

export const FIRST_LINE = '# orthrus backup 1\n'
export const LENGTH_BYTES = 4
const MARK_BYTES = 8
const MANIFEST = 'manifest'
export const END = 'end'

/** In the order in which they are in a backup. */
export const BACKUP_KINDS: readonly RecordKind[] = Object.values(RECORD_KIND)

/** What a backup says about itself. */
export interface Manifest {
  readonly realm: RealmName
  /** 16 bytes: the id of the revocation log. */
  readonly logId: Uint8Array
  /** KDC time, milliseconds. */
  readonly time: number
  readonly schema: number
  /** The version of orthrus that made it. */
  readonly version: string
  /** Of the master key that its records are sealed under. */
  readonly mark: Uint8Array
}

export type RecordCounts = Readonly<Record<RecordKind, number>>

export interface Backup {
  readonly manifest: Manifest
  /** Records of each kind, in the order of their names. */
  readonly records: ReadonlyMap<RecordKind, readonly Listed[]>
}

export function encodeManifest({ realm, logId, time, schema, version, mark }: Manifest): Uint8Array {
  return frame([MANIFEST, realm, logId, time, schema, version, mark])
}

export function encodeBackupRecord(kind: RecordKind, { name, version, value }: Listed): Uint8Array {
  return frame([kind, name, version, value])
}

export function encodeCounts(counts: RecordCounts): Uint8Array {
  return frame([END, ...BACKUP_KINDS.map(kind => [kind, counts[kind]])])
}

function frame(list: Value[]): Uint8Array {
  const body = encode(list)
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, body.length)
  return concatBytes(length, body)
}

/** @throws OrthrusError `malformed` */
export function manifestOf(list: readonly Value[]): Manifest {
  const [tag, realm, logId, time, schema, version, mark] = fields(list, 7)
  oneOf(tag, [MANIFEST])
  return {
    realm: realmNameOf(realm),
    logId: bytesOf(logId, SIZE.LOG_ID),
    time: numberOf(time),
    schema: numberOf(schema),
    version: textOf(version),
    mark: bytesOf(mark, MARK_BYTES),
  }
}

/** A backup of an earlier version does not count kinds that there were not yet. */
export function countsOf(last: readonly Value[]): ReadonlyMap<RecordKind, number> {
  const [tag, ...counts] = last
  oneOf(tag, [END])
  return new Map(
    counts.map(pair => {
      const [kind, count] = fields(pair, 2)
      return [oneOf(kind, BACKUP_KINDS), numberOf(count)]
    }),
  )
}

/** @throws OrthrusError `malformed` */
export function* framesIn(body: Uint8Array): Generator<readonly Value[]> {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  let at = 0
  while (at < body.length) {
    if (at + LENGTH_BYTES > body.length) throw malformed('half a length')
    const from = at + LENGTH_BYTES
    at = from + view.getUint32(at)
    if (at > body.length) throw malformed('half a record')
    yield decode(body.subarray(from, at))
  }
}
