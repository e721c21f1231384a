import type { Listed, Page, RecordKind, StoreSnapshot } from '../store/store.js'
import type { Backup } from './backup-form.js'

/** The records of a backup as a snapshot of a store. */
export function snapshotOf({ records }: Backup): StoreSnapshot {
  return {
    list: async (kind, page) => pageOf(records.get(kind) ?? [], page),
    close: async () => {},
  }
}

function pageOf(records: readonly Listed[], { after = '', limit }: Page): Listed[] {
  let [from, to] = [0, records.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((records[middle] as Listed).name <= after) from = middle + 1
    else to = middle
  }
  return records.slice(from, from + limit)
}

/** How many records of a kind there are. */
export function countOf({ records }: Backup, kind: RecordKind): number {
  return records.get(kind)?.length ?? 0
}
