import { requirePage, snapshotClosed } from '../changes.js'
import type { Listed, Page, RecordKind, StoreSnapshot } from '../store.js'
import { isCompacted } from './client/failure.js'
import type { Etcd } from './etcd.js'
import { decodeContent, nameOf, rangeAfter } from './record-form.js'

/** Keys that are asked for at a time, once tombstones were found among the first. */
const PAGE = 1_000

/**
 * Records of a kind, without those that were deleted, all of one revision.
 * @param revision of now by default
 */
export async function listRecords(
  etcd: Etcd,
  prefix: string,
  kind: RecordKind,
  { after, limit }: Page,
  revision?: number,
): Promise<Listed[]> {
  const listed: Listed[] = []
  let range = rangeAfter(prefix, kind, after)
  let at = revision
  for (let page = Math.min(limit, PAGE); ; page = PAGE) {
    const answer = await etcd.range({ ...range, limit: page, ...(at !== undefined && { revision: at }) })
    for (const record of answer.found) {
      const stored = decodeContent(record)
      if (stored !== undefined && listed.length < limit)
        listed.push({ name: nameOf(prefix, kind, record.key), ...stored })
    }
    const last = answer.found.at(-1)
    if (!answer.more || last === undefined || listed.length >= limit) return listed
    range = { key: `${last.key}\0`, end: range.end }
    at ??= answer.revision
  }
}

/** etcd keeps what there was at a revision until it is told to compact, by its operator or by itself. */
export class EtcdSnapshot implements StoreSnapshot {
  readonly #etcd: Etcd
  readonly #prefix: string
  readonly #revision: number
  readonly #closed: (snapshot: EtcdSnapshot) => void
  #isClosed = false

  constructor(etcd: Etcd, prefix: string, revision: number, closed: (snapshot: EtcdSnapshot) => void) {
    this.#etcd = etcd
    this.#prefix = prefix
    this.#revision = revision
    this.#closed = closed
  }

  async list(kind: RecordKind, page: Page): Promise<Listed[]> {
    requirePage(kind, page)
    if (this.#isClosed) throw snapshotClosed()
    try {
      return await listRecords(this.#etcd, this.#prefix, kind, page, this.#revision)
    } catch (cause) {
      throw isCompacted(cause) ? snapshotClosed() : cause
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#closed(this)
  }
}
