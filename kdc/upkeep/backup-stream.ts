import { createHash } from 'node:crypto'
import { concatBytes } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import { packageVersion } from '../../shared/package-version.node.js'
import { RECORD_KIND } from '../store/store.js'
import { markOf, proofOf } from '../vault/backup-mac.js'
import { decodeRealmRecord, REALM_RECORD_NAME } from '../vault/records.js'
import { SCHEMA } from '../vault/schema.js'
import type { VaultSnapshot } from '../vault/snapshot.js'
import type { Vault } from '../vault/vault.js'
import {
  BACKUP_KINDS,
  encodeBackupRecord,
  encodeCounts,
  encodeManifest,
  FIRST_LINE,
  type Manifest,
  type RecordCounts,
} from './backup-form.js'

/** Records that are read at a time. */
const PAGE = 256
/** Bytes of a piece, but for the last. A message has room for less than 64 KiB in one value. */
const PIECE_BYTES = 60 * 1024

/**
 * A backup of the realm as it is when the backup begins, piece by piece. Put together, the pieces are the bytes of the
 * file. Every record is opened on the way, so a backup that ends well is of a database that can be read.
 */
export class BackupStream {
  readonly #snapshot: VaultSnapshot
  readonly #pieces: AsyncGenerator<Uint8Array>
  #position = 0

  private constructor(snapshot: VaultSnapshot, manifest: Manifest) {
    this.#snapshot = snapshot
    this.#pieces = piecesOf(snapshot, manifest)
  }

  /**
   * It must be closed.
   * @param now KDC time, milliseconds
   * @throws OrthrusError `unavailable`
   */
  static async begin(vault: Vault, now: number): Promise<BackupStream> {
    const snapshot = await vault.snapshot()
    try {
      return new BackupStream(snapshot, await manifestOf(snapshot, now))
    } catch (cause) {
      await snapshot.close()
      throw cause
    }
  }

  /** How many bytes were passed on. */
  get position(): number {
    return this.#position
  }

  /** The next piece; `undefined` behind the last. @throws OrthrusError `unavailable` */
  async next(): Promise<Uint8Array | undefined> {
    const { value } = await this.#pieces.next()
    if (value === undefined) return undefined
    this.#position += value.length
    return value
  }

  close(): Promise<void> {
    return this.#snapshot.close()
  }
}

async function manifestOf(snapshot: VaultSnapshot, time: number): Promise<Manifest> {
  const found = await snapshot.list(RECORD_KIND.REALM, { limit: PAGE })
  const stored = found.find(({ name }) => name === REALM_RECORD_NAME.REALM)
  if (stored === undefined) {
    throw new OrthrusError('unavailable', 'the database has no realm', { hint: 'run: orthrus init REALM' })
  }
  const { realm, logId } = decodeRealmRecord(stored.fields)
  const mark = markOf(snapshot.keys.current)
  return { realm, logId, time, schema: SCHEMA, version: packageVersion(), mark }
}

async function* piecesOf(snapshot: VaultSnapshot, manifest: Manifest): AsyncGenerator<Uint8Array, undefined> {
  const digest = createHash('sha256')
  let waiting: Uint8Array[] = []
  let bytes = 0
  for await (const part of partsOf(snapshot, manifest)) {
    digest.update(part)
    waiting.push(part)
    bytes += part.length
    if (bytes < PIECE_BYTES) continue
    const whole = concatBytes(...waiting)
    let at = 0
    for (; at + PIECE_BYTES <= bytes; at += PIECE_BYTES) yield whole.subarray(at, at + PIECE_BYTES)
    waiting = [whole.subarray(at)]
    bytes -= at
  }
  yield concatBytes(...waiting, proofOf(snapshot.keys.current, digest.digest()))
  return undefined
}

async function* partsOf(snapshot: VaultSnapshot, manifest: Manifest): AsyncGenerator<Uint8Array> {
  const counts: Record<string, number> = {}
  yield new TextEncoder().encode(FIRST_LINE)
  yield encodeManifest(manifest)
  for (const kind of BACKUP_KINDS) {
    counts[kind] = 0
    for (let after = ''; ; ) {
      const page = await snapshot.list(kind, after === '' ? { limit: PAGE } : { after, limit: PAGE })
      for (const record of page) yield encodeBackupRecord(kind, record)
      counts[kind] += page.length
      if (page.length < PAGE) break
      after = page.at(-1)?.name ?? ''
    }
  }
  yield encodeCounts(counts as RecordCounts)
}
