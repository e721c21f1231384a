import { decodeBackupQuestion, encodeBackupPiece } from '../../shared/administration/backup.js'
import { type AdminContext, actorOf } from './context.js'
import { type Method, method } from './method.js'

/** Reported when it begins, before anything is passed on, and not for each piece. */
async function backup(context: AdminContext, position: number): Promise<Uint8Array> {
  const { realm, report, backup: held } = context
  if (position === 0) {
    await report.record({ kind: 'records_read', ...actorOf(context), method: 'backup', on: [] })
  }
  return held.next(realm.vault, position, realm.time.now())
}

export const BACKUP_METHODS = {
  backup: method({
    callers: 'administrators',
    reads: false,
    decode: decodeBackupQuestion,
    run: async (context, position) => encodeBackupPiece(await backup(context, position)),
  }),
} satisfies Record<string, Method>
