import { hash } from 'node:crypto'
import { toHex } from '../../shared/bytes.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { bytesOf, fields, numberOf, oneOf, textOf } from '../../shared/encoding/fields.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Listed, RecordKind } from '../store/store.js'
import { judgeProof, markOf, PROOF_BYTES } from '../vault/backup-mac.js'
import type { MasterKey } from '../vault/master-key.js'
import { SCHEMA } from '../vault/schema.js'
import {
  BACKUP_KINDS,
  type Backup,
  countsOf,
  FIRST_LINE,
  framesIn,
  type Manifest,
  manifestOf,
} from './backup-form.js'

const ANY_FIRST_LINE = /^# orthrus backup (\d{1,9})\n/

/**
 * Checks all of a backup: its proof first, and then its form. The records are not opened.
 * @param what it is called in errors
 * @throws OrthrusError `unavailable` if it is no backup, was cut off or changed, is of another key or a newer version
 */
export function decodeBackup(what: string, bytes: Uint8Array, key: MasterKey): Backup {
  const line = Buffer.from(bytes.subarray(0, FIRST_LINE.length)).toString('latin1')
  if (line !== FIRST_LINE) throw noBackup(what, bytes)
  const end = bytes.length - PROOF_BYTES
  if (end < FIRST_LINE.length) throw altered(what)
  const digest = hash('sha256', bytes.subarray(0, end), 'buffer')
  const judged = judgeProof(key, digest, bytes.subarray(end))
  if (judged === 'altered') throw altered(what)
  if (judged === 'other key') throw otherKey(what, bytes.subarray(FIRST_LINE.length, end), key)
  return readFrames(what, bytes.subarray(FIRST_LINE.length, end))
}

function readFrames(what: string, body: Uint8Array): Backup {
  try {
    const [first, ...rest] = [...framesIn(body)]
    const manifest = manifestOf(first ?? [])
    if (manifest.schema > SCHEMA) throw newer(what, manifest)
    const last = rest.pop() ?? []
    const records = recordsOf(rest)
    requireCounts(last, records)
    return { manifest, records }
  } catch (cause) {
    if (cause instanceof OrthrusError && cause.code === 'unavailable') throw cause
    throw new OrthrusError('unavailable', `${what} has an unknown form, although nobody changed it`, {
      cause,
      hint: 'restore it with the version of orthrus that made it',
    })
  }
}

function recordsOf(frames: readonly (readonly Value[])[]): Map<RecordKind, Listed[]> {
  const records = new Map<RecordKind, Listed[]>(BACKUP_KINDS.map(kind => [kind, []]))
  for (const list of frames) {
    const [kind, name, version, value] = fields(list, 4)
    const all = records.get(oneOf(kind, BACKUP_KINDS)) ?? []
    const record = { name: textOf(name), version: numberOf(version), value: bytesOf(value) }
    const before = all.at(-1)?.name
    if (before !== undefined && before >= record.name) throw malformed('records that are not in order')
    all.push(record)
  }
  return records
}

function requireCounts(last: readonly Value[], records: ReadonlyMap<RecordKind, readonly Listed[]>): void {
  const counts = countsOf(last)
  for (const kind of BACKUP_KINDS) {
    if ((counts.get(kind) ?? 0) !== records.get(kind)?.length) throw malformed('records are missing')
  }
}

function noBackup(what: string, bytes: Uint8Array): OrthrusError {
  const start = Buffer.from(bytes.subarray(0, FIRST_LINE.length + 9)).toString('latin1')
  const form = ANY_FIRST_LINE.exec(start)?.[1]
  if (form === undefined) {
    return new OrthrusError('unavailable', `${what} is no backup of a realm`, {
      final: true,
      hint: 'name a file that "orthrus backup" wrote',
    })
  }
  return new OrthrusError(
    'unavailable',
    `${what} is a backup of form ${form}, and this version reads form 1`,
    {
      final: true,
      hint: 'a newer version of orthrus wrote it: use that version',
    },
  )
}

function newer(what: string, { schema, version }: Manifest): OrthrusError {
  const reason = `${what} has schema ${schema}, and this version of orthrus reads up to schema ${SCHEMA}`
  return new OrthrusError('unavailable', reason, {
    final: true,
    hint: `orthrus ${version} wrote it: use that version or a newer one`,
  })
}

function altered(what: string): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `${what} is not whole: it was cut off or changed since it was made`,
    {
      final: true,
      hint: 'nothing of it can be trusted: use another backup',
    },
  )
}

function otherKey(what: string, body: Uint8Array, key: MasterKey): OrthrusError {
  const [mine, its] = [toHex(markOf(key)), markIn(body)]
  const reason =
    its === undefined || its === mine
      ? `${what} was not made by a KDC that has this master key`
      : `${what} was made under the master key ${its}, and this is the master key ${mine}`
  return new OrthrusError('unavailable', reason, {
    final: true,
    hint: 'give the master key that the realm had when the backup was made: a rotation keeps the one before as master.key.old and, until it has ended, the new one as master.key.next',
  })
}

/** The mark in a manifest that nothing proves, to tell people which key they need. */
function markIn(body: Uint8Array): string | undefined {
  try {
    const [first] = framesIn(body)
    return toHex(manifestOf(first ?? []).mark)
  } catch {
    return undefined
  }
}
