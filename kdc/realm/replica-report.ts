import type { Report } from '../report/report.js'
import type { Vault } from '../vault/vault.js'

/** Reports from now on what becomes of this KDC among those that share its store. */
export function reportReplica({ replica }: Pick<Vault, 'replica'>, report: Report): void {
  replica?.onNotice(notice => report.tell({ kind: 'replica_noticed', replica: replica.id, notice }))
}
